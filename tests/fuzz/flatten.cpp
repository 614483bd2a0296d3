// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stack of layers, which is made a tree twice: applied one after the other to a directory, and flattened
// into one tar that is applied to another one. The two are the same in all that a layer can say, and what the one
// refuses the other does, for the same reason.
//
// The layers are text, so that a seed can be written and a find be read. A line is an entry: a letter for what it is,
// a path, and after spaces what it links to and what else is to be said of it (`kinds`, `component`, `say`). Nothing is
// malformed: whatever a byte is, it means one of these.
//
// Known differences, which are as they should be: the memory that remembering takes is another one in a directory and
// without one, so its limit is out of reach here; and whoever may not make devices or give files away does not ask
// flatten() to be told what root's tree is, so there are no devices for those.
#include "archive/flatten.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
#include "unit/archive/tar_builder.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using test::TarBuilder;
using test::TarEntry;

namespace {

constexpr std::size_t max_lines = 100;
// Within reach of a few lines.
const archive::Limits limits{.bytes = 40'000, .entries = 80, .path = 64, .depth = 5};

// Of the text, or whatever byte stands in its place.
template <std::size_t Size>
std::size_t choose(const char (&letters)[Size], char byte) {
    const std::size_t found = std::string_view(letters).find(byte);
    return found != std::string_view::npos ? found : static_cast<unsigned char>(byte) % (Size - 1);
}

// file, directory, symbolic and hard link, character and block device, one that is 0:0, FIFO, whiteout, opaque marker,
// a name that aufs keeps for itself, whiteout of nothing, the next layer
constexpr char kinds[] = "fdshcbzpwor!-";

std::string component(char byte) {
    switch (byte) {
    case '^':
        return "..";
    case '.':
        return ".";
    case 'L':
        return std::string(30, 'l');
    case 'X':
        return std::string(256, 'x');
    case '/':
        return "";
    default:
        return std::string(1, "abcde"[choose("abcde", byte)]);
    }
}

std::string path_of(std::string_view text) {
    std::vector<std::string> parts;
    for (const char byte : text.substr(0, 12))
        parts.push_back(component(byte));
    return join(parts, "/");
}

// What is said of an entry beside its name.
struct Sayings {
    std::map<std::string, std::string> pax;
    std::size_t size = 3;
};

void say(char what, TarEntry& entry, Sayings& sayings) {
    // The kernel asks for exactly this: revision 2, and effective.
    const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    switch (choose("01234567ABCtuvwkjyqoEGH", what)) {
    case 0:
        entry.mode = 0;
        break;
    case 1:
        entry.mode = 0755;
        break;
    case 2:
        entry.mode = 02755;
        break;
    case 3:
        entry.mode = 0640;
        break;
    case 4:
        entry.mode = 04711;
        break;
    case 5:
        entry.mode = 01777;
        break;
    case 6:
        entry.mode = 06000;
        break;
    case 7:
        entry.mode = 0500;
        break;
    case 8:
        entry.uid = entry.gid = 1000;
        break;
    case 9:
        entry.uid = 70'000;
        break;
    case 10:
        entry.gid = 7;
        break;
    case 11:
        entry.mtime = 0;
        break;
    case 12:
        sayings.pax["mtime"] = "-1.5";
        break;
    case 13:
        sayings.pax["mtime"] = "1700000000.123456789";
        break;
    case 14:
        sayings.pax["mtime"] = "9000000000";
        break;
    case 15:
        sayings.pax["SCHILY.xattr.user.k"] = "value";
        break;
    case 16:
        sayings.pax["SCHILY.xattr.user.j"] = "";
        break;
    case 17:
        sayings.pax["SCHILY.xattr.security.capability"] = capability;
        break;
    case 18:
        sayings.pax["SCHILY.xattr.trusted.q"] = "trusted";
        break;
    case 19:
        sayings.pax["SCHILY.xattr.trusted.overlay.opaque"] = "y";
        break;
    case 20:
        sayings.size = 0;
        break;
    case 21:
        sayings.size = 600;
        break;
    default:
        sayings.size = 20'000;
        break;
    }
}

void add_entry(std::string_view line, std::size_t number, TarBuilder& tar) {
    const std::vector<std::string> words = split(line.substr(1), ' ');
    TarEntry entry{.name = path_of(words[0])};
    Sayings sayings;
    for (std::size_t i = 1; i < words.size(); ++i)
        if (i == 1)
            entry.link = path_of(words[i]);
        else
            for (const char what : words[i])
                say(what, entry, sayings);
    const auto hide = [&](const std::string& prefix) {
        const std::size_t slash = entry.name.rfind('/');
        entry.name.insert(slash == std::string::npos ? 0 : slash + 1, prefix);
    };
    const bool has_devices = may_make_devices(privilege());
    switch (kinds[choose(kinds, line[0])]) {
    case 'd':
        entry.type = '5';
        break;
    case 's':
        entry.type = '2';
        break;
    case 'h':
        entry.type = '1';
        break;
    case 'c':
        entry.type = has_devices ? '3' : '6';
        entry.major = 1;
        entry.minor = 3;
        break;
    case 'b':
        entry.type = has_devices ? '4' : '6';
        break;
    case 'z':
        entry.type = has_devices ? '3' : '6';
        break;
    case 'p':
        entry.type = '6';
        break;
    case 'w':
        hide(".wh.");
        break;
    case 'o':
        entry.name += entry.name.empty() ? ".wh..wh..opq" : "/.wh..wh..opq";
        break;
    case 'r':
        hide(".wh..wh.");
        break;
    case '!':
        entry.name += "/.wh..";
        break;
    default:
        entry.data = cat(number, ':');
        entry.data.resize(sayings.size, 'x');
        break;
    }
    if (entry.type != '1' && entry.type != '2')
        entry.link.clear();
    std::string records;
    for (const auto& [key, value] : sayings.pax)
        records += TarBuilder::record(key, value);
    if (!records.empty())
        tar.pax(records);
    tar.add(entry);
}

std::vector<std::string> layers_of(std::string_view text) {
    std::vector<std::string> layers;
    TarBuilder tar;
    std::size_t number = 0;
    for (const std::string& line : split(text, '\n')) {
        if (line.empty() || ++number > max_lines)
            continue;
        if (kinds[choose(kinds, line[0])] == '-')
            layers.push_back(std::exchange(tar, {}).str());
        else
            add_entry(line, number, tar);
    }
    layers.push_back(tar.str());
    return layers;
}

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
    const std::vector<std::string> layers = layers_of({reinterpret_cast<const char*>(data), size});
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
