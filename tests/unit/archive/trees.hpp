// SPDX-License-Identifier: Apache-2.0
// Directory trees for tests: made by paths, described in every respect that a layer can say something about.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "archive/applier.hpp"
#include "archive/layer_writer.hpp"
#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "unit/temporary.hpp"

namespace lade::test {

namespace fs = std::filesystem;

inline void must(bool done, const std::string& what) {
    if (!done)
        throw_errno(errno, what);
}

// A tree below a path. Each call makes or changes one thing; names are relative to the root.
class SampleTree {
public:
    explicit SampleTree(std::string root) : root_(std::move(root)) { fs::create_directories(root_); }

    const std::string& root() const noexcept { return root_; }
    std::string path(const std::string& name) const { return name.empty() ? root_ : root_ + "/" + name; }
    Fd open() const { return open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY); }

    const SampleTree& dir(const std::string& name, mode_t mode = 0755) const {
        must(::mkdir(path(name).c_str(), mode) == 0, name);
        return chmod(name, mode);
    }
    const SampleTree& file(const std::string& name, const std::string& data = "", mode_t mode = 0644) const {
        write_all(open_at(AT_FDCWD, path(name), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644).get(), as_bytes(data),
                  name);
        return chmod(name, mode);
    }
    const SampleTree& link(const std::string& target, const std::string& name) const {
        must(::linkat(AT_FDCWD, path(target).c_str(), AT_FDCWD, path(name).c_str(), 0) == 0, name);
        return *this;
    }
    const SampleTree& symlink(const std::string& target, const std::string& name) const {
        must(::symlink(target.c_str(), path(name).c_str()) == 0, name);
        return *this;
    }
    const SampleTree& node(const std::string& name, mode_t mode, unsigned major = 0, unsigned minor = 0) const {
        must(::mknod(path(name).c_str(), mode, ::makedev(major, minor)) == 0, name);
        return *this;
    }
    const SampleTree& socket(const std::string& name) const { return node(name, S_IFSOCK | 0644U); }
    const SampleTree& chmod(const std::string& name, mode_t mode) const {
        must(::chmod(path(name).c_str(), mode) == 0, name);
        return *this;
    }
    const SampleTree& chown(const std::string& name, uid_t uid, gid_t gid) const {
        must(::lchown(path(name).c_str(), uid, gid) == 0, name);
        return *this;
    }
    const SampleTree& xattr(const std::string& name, const std::string& key, const std::string& value) const {
        must(::lsetxattr(path(name).c_str(), key.c_str(), value.data(), value.size(), 0) == 0, name);
        return *this;
    }
    const SampleTree& time(const std::string& name, time_t seconds, long nanoseconds = 0) const {
        const timespec when{.tv_sec = seconds, .tv_nsec = nanoseconds};
        const std::array<timespec, 2> times{when, when};
        must(::utimensat(AT_FDCWD, path(name).c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0, name);
        return *this;
    }
    const SampleTree& same_time(const std::string& name, const struct stat& as) const {
        return time(name, as.st_mtim.tv_sec, as.st_mtim.tv_nsec);
    }
    const SampleTree& remove(const std::string& name) const {
        fs::remove_all(path(name));
        return *this;
    }
    struct stat stat(const std::string& name) const {
        struct stat st {};
        must(::lstat(path(name).c_str(), &st) == 0, name);
        return st;
    }

    // Every name below the root, directories before what is in them.
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (std::vector<std::string> left{""}; !left.empty();) {
            const std::string at = left.back();
            left.pop_back();
            for (const std::string& name : list_directory(AT_FDCWD, path(at))) {
                all.push_back(at.empty() ? name : at + "/" + name);
                if (S_ISDIR(stat(all.back()).st_mode))
                    left.push_back(all.back());
            }
        }
        return all;
    }
    // Gives everything an old time of its own, so that any later change shows. Every third one is cut to whole seconds.
    const SampleTree& age() const {
        time_t seconds = 1'500'000'000;
        std::vector<std::string> all = names();
        for (std::size_t i = all.size(); i-- > 0;)
            time(all[i], ++seconds, i % 3 == 0 ? 0 : 123'456'000 + static_cast<long>(i));
        return time("", seconds, 5);
    }
    // A copy in all respects.
    SampleTree copy(const std::string& to) const {
        if (std::system(cat("cp -a --reflink=auto '", root_, "' '", to, "'").c_str()) != 0)
            throw Error(ErrorKind::internal, "cp");
        return SampleTree(to);
    }

    // Path -> all that counts. Sockets cannot be in a layer.
    std::map<std::string, std::string> describe() const {
        std::map<std::string, std::string> facts;
        std::map<std::pair<dev_t, ino_t>, std::set<std::string>> links;
        std::vector<std::string> all = names();
        all.emplace_back("");
        for (const std::string& name : all) {
            const struct stat st = stat(name);
            if (S_ISSOCK(st.st_mode))
                continue;
            facts[name] = cat(std::oct, st.st_mode, std::dec, ' ', st.st_uid, ':', st.st_gid, ' ', st.st_mtim.tv_sec,
                              '.', st.st_mtim.tv_nsec, what(name, st), xattrs(name));
            if (!S_ISDIR(st.st_mode))
                links[{st.st_dev, st.st_ino}].insert(name);
        }
        for (const auto& [inode, group] : links)
            for (const std::string& name : group)
                if (group.size() > 1)
                    facts[name] += " linked:" + join({group.begin(), group.end()}, ",");
        return facts;
    }

private:
    std::string what(const std::string& name, const struct stat& st) const {
        if (S_ISREG(st.st_mode)) {
            const std::string text =
                read_text(open_at(AT_FDCWD, path(name), O_RDONLY | O_NOFOLLOW).get(), 1U << 30U, name);
            return cat(' ', text.size(), ' ', std::hash<std::string>()(text));
        }
        if (S_ISLNK(st.st_mode))
            return " -> " + fs::read_symlink(path(name)).string();
        return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? cat(' ', st.st_rdev) : "";
    }
    std::string xattrs(const std::string& name) const {
        std::string names(4096, '\0');
        const ssize_t size = ::llistxattr(path(name).c_str(), names.data(), names.size());
        std::set<std::string> all;
        names.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        for (const std::string& key : split(names, '\0')) {
            // A layer's trusted ones are not taken over (registry-and-unpack.md 5.3).
            if (key.empty() || key.starts_with("trusted.") || key.starts_with("user.overlay.") ||
                key == "security.selinux")
                continue;
            std::string value(4096, '\0');
            const ssize_t length = ::lgetxattr(path(name).c_str(), key.c_str(), value.data(), value.size());
            value.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
            all.insert(cat(' ', key, '=', value));
        }
        return join({all.begin(), all.end()}, "");
    }

    std::string root_;
};

inline std::string layer_of(const archive::Trees& trees, const archive::LayerOptions& options = {}) {
    StringSink sink(1U << 30U, "layer");
    archive::write_layer(trees, sink, options, {});
    return sink.take();
}

// The whole tree `upper` on top of `lower`.
inline std::string layer_of(const SampleTree& lower, const SampleTree& upper,
                            const archive::LayerOptions& options = {}) {
    const Fd below = lower.open();
    const Fd above = upper.open();
    return layer_of({.lower = below.get(), .upper = above.get()}, options);
}

inline std::vector<archive::Entry> entries_of(const std::string& tar) {
    StringSource source(tar);
    archive::TarReader reader(source);
    std::vector<archive::Entry> entries;
    while (auto entry = reader.next())
        entries.push_back(*std::move(entry));
    return entries;
}

// As 5.6 lists them: names in order, "name->target" for hard links.
inline std::string listing_of(const std::string& tar) {
    std::vector<std::string> names;
    for (const archive::Entry& entry : entries_of(tar))
        names.push_back(entry.type == archive::EntryType::hard_link ? entry.name + "->" + entry.link : entry.name);
    return join(names, " ");
}

inline void apply(const std::string& tar, const SampleTree& to) {
    StringSource source(tar);
    archive::Budget budget({.depth = 10'000});
    archive::apply(source, to.open().get(), {.privilege = privilege()}, budget, {});
}

} // namespace lade::test
