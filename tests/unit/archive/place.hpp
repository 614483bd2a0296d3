// SPDX-License-Identifier: Apache-2.0
// Where the tests of unpacking apply layers: a root, and a place outside of it that nothing may touch.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "archive/applier.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "unit/archive/tar_builder.hpp"
#include "unit/temporary.hpp"

namespace lade::test {

// A directory that is looked at by names below it; links that a name ends in are not followed.
class Tree {
public:
    explicit Tree(std::string at) : at_(std::move(at)) {}

    std::string path(const std::string& name) const { return at_ + "/" + name; }
    std::string read(const std::string& name) const {
        return read_text(open_at(AT_FDCWD, path(name), O_RDONLY).get(), 1 << 20, name);
    }
    struct stat stat(const std::string& name) const {
        struct stat st {};
        if (::lstat(path(name).c_str(), &st) != 0)
            throw Error(ErrorKind::not_found, name);
        return st;
    }
    bool exists(const std::string& name) const {
        return std::filesystem::symlink_status(path(name)).type() != std::filesystem::file_type::not_found;
    }
    bool same(const std::string& a, const std::string& b) const { return stat(a).st_ino == stat(b).st_ino; }
    bool is_link(const std::string& name) const { return S_ISLNK(stat(name).st_mode); }
    std::string target(const std::string& name) const { return std::filesystem::read_symlink(path(name)).string(); }
    std::set<std::string> names() const {
        std::set<std::string> all;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(at_))
            all.insert(entry.path().lexically_relative(at_).string());
        return all;
    }
    // Everything that an image can say of each name ("" is the top), so that trees can be compared.
    std::map<std::string, std::string> describe() const {
        std::map<std::string, std::string> all;
        std::map<ino_t, std::set<std::string>> links;
        std::set<std::string> every = names();
        every.insert("");
        for (const std::string& name : every) {
            const auto st = stat(name);
            std::string& facts = all[name];
            facts = cat("mode ", st.st_mode, " owner ", st.st_uid, ':', st.st_gid, " device ",
                        S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? st.st_rdev : 0, " time ", st.st_mtim.tv_sec, '.',
                        st.st_mtim.tv_nsec);
            if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
                links[st.st_ino].insert(name);
            if (S_ISREG(st.st_mode))
                facts += cat(" data ", read(name));
            if (S_ISLNK(st.st_mode))
                facts += cat(" target ", target(name));
            char value[64];
            if (const ssize_t size = ::lgetxattr(path(name).c_str(), "user.k", value, sizeof value); size >= 0)
                facts += cat(" xattr ", std::string_view(value, static_cast<std::size_t>(size)));
        }
        // A link count may count names that lie hidden in a lower layer.
        for (const auto& [inode, group] : links)
            for (const std::string& name : group)
                if (group.size() > 1)
                    all[name] += cat(" linked ", *group.begin());
        return all;
    }

private:
    std::string at_;
};

// One line for each name that differs.
inline std::string differences(const Tree& one, const Tree& other) {
    const auto a = one.describe();
    const auto b = other.describe();
    std::string lines;
    for (const auto& [name, facts] : a)
        if (const auto found = b.find(name); found == b.end() || found->second != facts)
            lines += cat(name, ": ", facts, " / ", found == b.end() ? "nothing" : found->second, '\n');
    for (const auto& [name, facts] : b)
        if (!a.contains(name))
            lines += cat(name, ": nothing / ", facts, '\n');
    return lines;
}

// A tree of a layer, or of several, and beside it the outside.
struct Place : private TemporaryDirectory, Tree {
    Fd root;

    Place() : Tree(TemporaryDirectory::path("root")) {
        std::filesystem::create_directory(outside("root"));
        std::filesystem::create_directory(outside("etc"));
        write("../etc/passwd", "outside");
        root = open_at(AT_FDCWD, outside("root"), O_RDONLY | O_DIRECTORY);
        // As snapshots are: a root that no layer speaks of is as old as the epoch.
        set_epoch(root.get(), ".");
    }
    using Tree::path;

    std::string outside(const std::string& name) const { return TemporaryDirectory::path(name); }
    void write(const std::string& name, const std::string& text) const {
        write_all(open_at(AT_FDCWD, path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), as_bytes(text), name);
    }
    archive::Applied apply(const TarBuilder& tar, archive::Whiteouts whiteouts = archive::Whiteouts::plain) const {
        return apply_to(root.get(), tar, whiteouts);
    }
    static archive::Applied apply_to(int directory, const TarBuilder& tar, archive::Whiteouts whiteouts) {
        const std::string text = tar.str();
        StringSource source(text);
        archive::Budget budget({});
        return archive::apply(source, directory, {.whiteouts = whiteouts, .privilege = privilege()}, budget, {});
    }
    ErrorKind refuses(const TarBuilder& tar, archive::Whiteouts whiteouts = archive::Whiteouts::plain) const {
        try {
            apply(tar, whiteouts);
        } catch (const Error& error) {
            return error.kind();
        }
        return ErrorKind::internal;
    }
    bool outside_untouched() const {
        std::set<std::string> all;
        for (const auto& entry : std::filesystem::directory_iterator(TemporaryDirectory::path()))
            all.insert(entry.path().filename().string());
        const auto passwd = stat("../etc/passwd");
        return all == std::set<std::string>{"etc", "root"} && read("../etc/passwd") == "outside" &&
               passwd.st_nlink == 1 && (passwd.st_mode & 07777U) == 0644 && stat("../etc").st_nlink == 2 &&
               std::distance(std::filesystem::directory_iterator(outside("etc")),
                             std::filesystem::directory_iterator()) == 1;
    }
};

inline bool root_user() {
    if (::geteuid() == 0)
        return true;
    MESSAGE("needs root");
    return false;
}

// Layers as overlayfs stacks them: each in a directory of its own, made at a time when the others may be anything, then
// settled from the bottom; seen as the kernel shows them. Needs root.
class Stacked {
public:
    Stacked() {
        // Mounts of tests are nobody else's, and gone with the process.
        static const bool is_private =
            ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        REQUIRE(is_private);
    }

    void add(const TarBuilder& tar) {
        layers_.push_back(std::make_unique<Place>());
        const archive::Applied applied = layers_.back()->apply(tar, archive::Whiteouts::overlay);
        std::vector<int> lowers;
        for (std::size_t i = layers_.size() - 1; i-- > 0;)
            lowers.push_back(layers_[i]->root.get());
        if (!applied.needs_lower && archive::settle(layers_.back()->root.get(), applied, lowers, privilege()))
            return;
        ++needed_lower;
        layers_.back() = std::make_unique<Place>();
        archive::settle(layers_.back()->root.get(), {.implied = {""}}, lowers, privilege());
        const std::string work = layers_.back()->outside("work");
        std::filesystem::create_directory(work);
        mounted(cat("lowerdir=", join(visible(layers_.size() - 1), ":"), ",upperdir=", layers_.back()->path(""),
                    ",workdir=", work),
                [&](const Tree& merged) {
                    const Fd root = open_at(AT_FDCWD, merged.path(""), O_RDONLY | O_DIRECTORY);
                    Place::apply_to(root.get(), tar, archive::Whiteouts::plain);
                });
        std::filesystem::remove_all(work);
    }

    // Mounts all of them while `look` looks.
    void see(const std::function<void(const Tree&)>& look) const {
        const std::vector<std::string> paths = visible(layers_.size());
        if (paths.size() == 1)
            look(Tree(paths.front()));
        else
            mounted(cat("lowerdir=", join(paths, ":")), look);
    }

    bool outside_untouched() const {
        return std::ranges::all_of(layers_, [](const auto& layer) { return layer->outside_untouched(); });
    }

    int needed_lower = 0; // how many layers could not be made without those below

private:
    // The directories of the first `count` layers, the top first, as far down as no root is opaque.
    std::vector<std::string> visible(std::size_t count) const {
        std::vector<std::string> paths;
        while (count-- > 0) {
            paths.push_back(layers_[count]->path(""));
            char value = 0;
            if (::lgetxattr(paths.back().c_str(), "trusted.overlay.opaque", &value, 1) == 1)
                break;
        }
        return paths;
    }

    static void mounted(const std::string& options, const std::function<void(const Tree&)>& work) {
        const Place point;
        struct Unmount {
            const Place& point;
            ~Unmount() { ::umount2(point.path("").c_str(), MNT_DETACH); }
        };
        {
            REQUIRE(::mount("overlay", point.path("").c_str(), "overlay", 0, ("index=off," + options).c_str()) == 0);
            const Unmount unmount{point};
            work(point);
        }
        CHECK(point.outside_untouched());
    }

    std::vector<std::unique_ptr<Place>> layers_;
};

} // namespace lade::test
