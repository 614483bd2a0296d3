// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stack of layers (stack_text.hpp), which is made a tree twice: applied one after the other to a
// directory, and flattened into one tar that is applied to another one. The two are the same in all that a layer can
// say, and what the one refuses the other does, for the same reason.
//
// Known differences, which are as they should be: the memory that remembering takes is another one in a directory and
// without one, so its limit is out of reach here; and whoever may not make devices or give files away does not ask
// flatten() to be told what root's tree is, so there are no devices for those.
#include "archive/flatten.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "archive/applier.hpp"
#include "archive/flat_writer.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "base/xattrs.hpp"
#include "fuzz/stack_text.hpp"
#include "unit/temporary.hpp"

using namespace lade;

namespace {

// Within reach of a few lines.
const archive::Limits limits{.bytes = 40'000, .entries = 80, .path = 64, .depth = 5};

// A directory that is filled, and emptied by remove().
class Place {
public:
    Place(const test::TemporaryDirectory& above, const std::string& name)
        : above_(open_at(AT_FDCWD, above.path(), O_RDONLY | O_DIRECTORY)), name_(name) {
        if (::mkdirat(above_.get(), name.c_str(), 0755) != 0)
            std::abort();
        root_ = open_at(above_.get(), name, O_RDONLY | O_DIRECTORY);
        set_epoch(root_.get(), ".");
    }
    ~Place() { remove_tree(above_.get(), name_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    void apply(const std::string& tar, archive::Budget& budget) const {
        StringSource source(tar);
        archive::apply(source, root_.get(), {.privilege = privilege()}, budget, {});
    }

    // All that a layer can say, by path.
    std::map<std::string, std::string> describe() const {
        std::map<std::string, std::string> facts;
        std::map<ino_t, std::set<std::string>> links;
        describe(open_at(root_.get(), ".", O_RDONLY | O_DIRECTORY), "", facts, links);
        for (const auto& [inode, names] : links)
            for (const std::string& name : names)
                if (names.size() > 1)
                    facts[name] += " linked to " + *names.begin();
        return facts;
    }

private:
    static std::string describe_one(int fd, const struct stat& st) {
        std::string facts = cat(std::oct, st.st_mode, std::dec, ' ', st.st_uid, ':', st.st_gid, ' ', st.st_mtim.tv_sec,
                                '.', st.st_mtim.tv_nsec);
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
            facts += cat(" device ", st.st_rdev);
        const XattrsOf xattrs(fd);
        std::vector<std::string> names = xattrs.list();
        std::ranges::sort(names);
        for (const std::string& name : names)
            facts += cat(' ', name, '=', xattrs.find(name).value_or("?"));
        return facts;
    }

    static void describe(const Fd& directory, const std::string& path, std::map<std::string, std::string>& facts,
                         std::map<ino_t, std::set<std::string>>& links) {
        struct stat st {};
        if (::fstat(directory.get(), &st) != 0)
            std::abort();
        facts[path + '/'] = describe_one(directory.get(), st);
        for (const std::string& name : list_directory(directory.get(), ".")) {
            const Fd one = open_at(directory.get(), name, O_PATH | O_NOFOLLOW);
            if (::fstat(one.get(), &st) != 0)
                std::abort();
            const std::string at = cat(path, '/', name);
            if (S_ISDIR(st.st_mode)) {
                describe(open_at(directory.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), at, facts, links);
                continue;
            }
            facts[at] = describe_one(one.get(), st);
            links[st.st_ino].insert(at);
            std::string target(4096, '\0');
            if (S_ISLNK(st.st_mode))
                target.resize(static_cast<std::size_t>(
                    std::max<ssize_t>(0, ::readlinkat(one.get(), "", target.data(), target.size()))));
            if (S_ISLNK(st.st_mode))
                facts[at] += " -> " + target;
            if (S_ISREG(st.st_mode))
                facts[at] += " data " + read_text(open_at(directory.get(), name, O_RDONLY).get(), 1 << 20, name);
        }
    }

    Fd above_;
    std::string name_;
    Fd root_;
};

template <typename Work>
std::optional<Error> refusal_of(Work work) {
    try {
        work();
        return std::nullopt;
    } catch (const Error& error) {
        return error;
    }
}

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
}

void require_same(const Place& applied, const Place& flattened) {
    const auto one = applied.describe();
    const auto other = flattened.describe();
    std::string lines;
    for (const auto& [name, facts] : one)
        if (const auto found = other.find(name); found == other.end() || found->second != facts)
            lines += cat(printable(name), ": applied ", printable(facts), ", flattened ",
                         found == other.end() ? "nothing" : printable(found->second), '\n');
    for (const auto& [name, facts] : other)
        if (!one.contains(name))
            lines += cat(printable(name), ": applied nothing, flattened ", printable(facts), '\n');
    if (!lines.empty())
        fail(lines);
}

std::string flat_tar(const archive::FlatTree& tree, const std::vector<std::string>& layers) {
    const archive::ReadLayer read = [&](std::uint32_t layer, const std::function<void(Source&)>& work) {
        StringSource source(layers[layer]);
        work(source);
    };
    StringSink tar(1 << 24, "tar");
    archive::write_flat(tree, read, tar, {});
    return tar.take();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static const test::TemporaryDirectory directory;
    ::umask(0);
    const std::vector<std::string> layers = test::layers_of({reinterpret_cast<const char*>(data), size});
    const Place one(directory, "applied");
    archive::Budget of_applied(limits);
    archive::Budget of_flattened(limits);
    archive::FlatTree tree;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const auto applied = refusal_of([&] { one.apply(layers[i], of_applied); });
        const auto flattened = refusal_of([&] {
            StringSource source(layers[i]);
            archive::flatten(source, static_cast<std::uint32_t>(i), tree, of_flattened, {});
        });
        if (applied.has_value() != flattened.has_value() || (applied && applied->kind() != flattened->kind()))
            fail(cat("applied: ", applied ? applied->message() : "taken",
                     "\nflattened: ", flattened ? flattened->message() : "taken"));
        if (applied)
            return 0;
    }
    const Place other(directory, "flattened");
    archive::Budget budget({});
    other.apply(flat_tar(tree, layers), budget);
    require_same(one, other);
    return 0;
}
