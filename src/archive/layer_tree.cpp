// SPDX-License-Identifier: Apache-2.0
#include "archive/layer_tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"

namespace lade::archive {

namespace {

constexpr mode_t owner_all = 0700;

// What a container adds to each value that it holds, about.
constexpr std::size_t node_size = 6 * sizeof(void*);

} // namespace

// The seed keeps a layer from choosing names whose hashes meet.
LayerTree::LayerTree(int root, const ApplyOptions& options, Budget& budget)
    : root_(root, budget.limits().depth),
      whiteouts_(options.whiteouts),
      privilege_(options.privilege),
      budget_(budget),
      seed_(random_text(16)) {}

void LayerTree::take_memory(std::size_t bytes) {
    budget_.take_memory(bytes);
    memory_ += bytes;
}

LayerTree::Touched& LayerTree::touch(const std::string& path) {
    const auto [touched, is_new] = touched_.try_emplace(path);
    if (is_new) {
        take_memory(sizeof(*touched) + node_size + 2 * path.size()); // once more when it turns out to be implied
        const std::size_t slash = path.rfind('/');
        if (const auto above = touched_.find(slash == std::string::npos ? "" : path.substr(0, slash));
            above != touched_.end())
            touched->second.hides_lower = above->second.hides_lower;
    }
    return touched->second;
}

void LayerTree::remember(std::vector<std::string>& paths, std::string path) {
    take_memory(sizeof(std::string) + path.size());
    paths.push_back(std::move(path));
}

bool LayerTree::is_implied(const std::string& path) const {
    const auto found = touched_.find(path);
    return found != touched_.end() && !found->second.has_entry;
}

bool LayerTree::is_marked(const std::string& path) const {
    return marked_.contains(std::hash<std::string>()(seed_ + path));
}

// With all directories above it: something of this layer lies in them.
void LayerTree::mark_path(std::string path) {
    while (!path.empty() && marked_.insert(std::hash<std::string>()(seed_ + path)).second) {
        take_memory(sizeof(std::size_t) + node_size);
        const std::size_t slash = path.rfind('/');
        path.resize(slash == std::string::npos ? 0 : slash);
    }
}

void LayerTree::mark(const Directory& directory, const std::string& name) {
    if (whiteouts_ == Whiteouts::plain)
        mark_path(directory.child(name));
}

void LayerTree::refresh() {
    if (std::exchange(stale_, false))
        root_.forget();
}

const Directory* LayerTree::find(const std::string& path) {
    refresh();
    return root_.find(path);
}

const Directory* LayerTree::parent(const std::string& path) {
    refresh();
    const Directory* directory = root_.make(path, *this);
    if (directory != nullptr)
        changing(*directory);
    return directory;
}

void LayerTree::changing(const Directory& parent) {
    if (touched_.contains(parent.path))
        return;
    Touched& touched = touch(parent.path);
    struct stat st {};
    if (::fstat(parent.fd.get(), &st) != 0)
        throw_errno(errno, "stat ", printable(parent.path));
    touched.times = {st.st_atim, st.st_mtim};
    touched.mode = st.st_mode & 07777U;
    if (!may_enter_all(privilege_) && (st.st_mode & owner_all) != owner_all) {
        // Ours, but closed to us by an earlier layer: opened until the end.
        touched.restore_mode = true;
        if (::fchmod(parent.fd.get(), touched.mode | owner_all) != 0)
            throw_errno(errno, "open directory ", printable(parent.path), " for writing");
    }
}

void LayerTree::made(const Directory& parent, const std::string& name, int fd, bool over_whiteout) {
    // Nobody gave it times: the epoch makes every unpacking alike. A directory that replaces a whiteout is new, so
    // lower layers have nothing to say about it.
    const std::string path = parent.child(name);
    touched_.erase(path); // of a directory that was there, and was replaced
    Touched& touched = touch(path);
    touched.mode = 0755;
    touched.has_entry = over_whiteout;
    mark(parent, name);
    if (over_whiteout)
        hide_lower({.fd = open_at(fd, ".", O_RDONLY | O_DIRECTORY), .path = path});
    else if (whiteouts_ == Whiteouts::overlay && !touched.hides_lower)
        remember(passed_through_, path);
    if (parent.set_gid && (::fchown(fd, ::geteuid(), ::getegid()) != 0 || ::fchmod(fd, 0755) != 0))
        throw_errno(errno, "set owner of ", printable(name));
}

bool LayerTree::clear(const Directory& directory, const std::string& name) {
    struct stat st {};
    if (::fstatat(directory.fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return false;
        throw_errno(errno, "stat");
    }
    remove_tree(directory.fd.get(), name);
    stale_ = stale_ || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode);
    return !S_ISDIR(st.st_mode);
}

void LayerTree::add_directory(const std::string& path, const Times& times, mode_t mode) {
    Touched& touched = touch(path);
    touched.times = times;
    touched.mode = mode;
    touched.restore_mode = !may_enter_all(privilege_);
    touched.has_entry = true;
}

void LayerTree::hide_lower(const Directory& directory) {
    if (whiteouts_ != Whiteouts::overlay)
        return;
    set_opaque(directory.fd.get(), overlay_marks(privilege_));
    touch(directory.path).hides_lower = true;
}

void LayerTree::whiteout(const Directory& directory, const std::string& name) {
    struct stat st {};
    const bool exists = ::fstatat(directory.fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!exists && errno != ENOENT)
        throw_errno(errno, "stat ", printable(name));
    if (whiteouts_ == Whiteouts::overlay) {
        if (!exists) {
            if (::mknodat(directory.fd.get(), name.c_str(), S_IFCHR, ::makedev(0, 0)) != 0)
                throw_errno(errno, "make whiteout");
            remember(made_whiteouts_, directory.child(name));
        } else if (S_ISDIR(st.st_mode)) {
            const Directory below{.fd = open_at(directory.fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                                  .path = directory.child(name)};
            hide_lower(below);
            reset_implied(below);
        }
        return;
    }
    if (!exists)
        return;
    if (!is_marked(directory.child(name))) {
        remove_tree(directory.fd.get(), name);
        stale_ = true;
    } else if (S_ISDIR(st.st_mode)) {
        const Directory below{.fd = open_at(directory.fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                              .path = directory.child(name)};
        remove_unmarked(below);
        reset_implied(below);
    }
}

// A whiteout of, or above, a directory that this layer only passes through: the old one is gone, this one is new, as
// if the whiteout had come first.
void LayerTree::reset_implied(const Directory& directory) {
    Touched& touched = touch(directory.path);
    if (std::exchange(touched.has_entry, true))
        return;
    touched.times = {};
    touched.mode = 0755;
    if ((may_set_owner(privilege_) && ::fchown(directory.fd.get(), ::geteuid(), ::getegid()) != 0) ||
        ::fchmod(directory.fd.get(), 0755) != 0)
        throw_errno(errno, "renew directory ", printable(directory.path));
    Metadata::clear_xattrs(directory.fd.get());
}

void LayerTree::make_opaque(const Directory& directory) {
    if (whiteouts_ == Whiteouts::overlay)
        hide_lower(directory);
    else
        remove_unmarked({.fd = open_at(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY), .path = directory.path});
}

void LayerTree::remove_unmarked(const Directory& directory) {
    for (const std::string& name : list_directory(directory.fd.get(), ".")) {
        if (!is_marked(directory.child(name))) {
            remove_tree(directory.fd.get(), name);
            continue;
        }
        struct stat st {};
        if (::fstatat(directory.fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            const Directory below{.fd = open_at(directory.fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                                  .path = directory.child(name)};
            reset_implied(below);
            remove_unmarked(below);
        }
    }
    stale_ = true;
}

void LayerTree::finish(Applied& applied) {
    refresh();
    for (const auto& [path, touched] : touched_) {
        const Directory* directory = root_.find_itself(path);
        // Replaced by something else meanwhile: then there is nothing to set.
        if (directory == nullptr)
            continue;
        if (touched.restore_mode && ::fchmod(directory->fd.get(), touched.mode) != 0)
            throw_errno(errno, "set mode of ", printable(path));
        Metadata::set_times(directory->fd.get(), touched.times);
        if (whiteouts_ == Whiteouts::overlay && !touched.has_entry)
            applied.implied.push_back(path);
    }
    if (whiteouts_ == Whiteouts::overlay && !touched_.contains(""))
        applied.implied.emplace_back("");
    applied.passed_through = std::move(passed_through_);
    applied.whiteouts = std::move(made_whiteouts_);
}

} // namespace lade::archive
