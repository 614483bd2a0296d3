// SPDX-License-Identifier: Apache-2.0
#include "snapshot/overlay.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/overlay_marks.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "snapshot/copy_tree.hpp"
#include "snapshot/mount_options.hpp"

namespace lade::snapshot {

namespace {

std::string tree_of(Id id) {
    return cat(id, "/fs");
}

// What the kernel notes about where a copy came from. It is true for this file system on this machine alone, so that
// layers would differ by how they were made, and a store that was moved would name other files. Opaque directories are
// another thing: those marks say what the layer is.
constexpr std::array<std::string_view, 4> origin_marks{"origin", "impure", "nlink", "uuid"};

// A directory's descriptor and a name in it, for the calls that have no *at form; a link is not followed. Links and
// devices cannot have marks of the user kind, and say so by EPERM.
void forget_origin(int directory, const std::string& name, std::string_view marks) {
    const std::string path = cat("/proc/self/fd/", directory, '/', name);
    for (const std::string_view mark : origin_marks)
        if (::lremovexattr(path.c_str(), cat(marks, mark).c_str()) != 0 && errno != ENODATA && errno != ENOTSUP &&
            errno != EPERM)
            throw_errno(errno, "remove ", marks, mark, " from ", printable(name));
}

void forget_origins(int directory, std::string_view marks, const std::stop_token& stop) {
    forget_origin(directory, ".", marks);
    for (const std::string& name : list_directory(directory, ".")) {
        check_stop(stop);
        struct stat st {};
        if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
            throw_errno(errno, "stat ", printable(name));
        if (S_ISDIR(st.st_mode))
            forget_origins(open_at(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(), marks, stop);
        else
            forget_origin(directory, name, marks);
    }
}

} // namespace

void Overlay::create(const Stack& stack, const std::stop_token& /*stop*/) {
    directories_.make(stack.id, {{.name = "fs", .mode = 0755}, {.name = "work", .mode = 0711}});
    if (stack.parents.empty())
        return;
    // A new top looks like what it covers until something changes its root.
    doing([&] { return cat("snapshot ", stack.id, ": take over the root of its parent"); },
          [&] { copy_metadata(tree(stack.parents.front()).get(), tree(stack.id).get()); });
}

Fd Overlay::tree(Id id) const {
    return open_at(directories_.fd(), tree_of(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string Overlay::path(Id id) const {
    return directories_.path(tree_of(id));
}

std::vector<Id> Overlay::visible(const std::vector<Id>& parents) const {
    std::vector<Id> seen;
    for (const Id id : parents) {
        seen.push_back(id);
        if (is_opaque(tree(id).get(), overlay_marks(privilege_)))
            break;
    }
    return seen;
}

std::vector<Mount> Overlay::mounts(const Stack& stack, Access access) const {
    const auto bind = [&](Id id, const char* mode) {
        return std::vector<Mount>{{.type = "bind", .source = path(id), .point = {}, .options = {mode, "rbind"}}};
    };
    const bool writable = access == Access::read_write;
    const std::vector<Id> lowers = visible(stack.parents);
    if (lowers.empty())
        return bind(stack.id, writable ? "rw" : "ro");
    if (!writable && lowers.size() == 1)
        return bind(lowers.front(), "ro");
    Mount mount{.type = "overlay", .source = "overlay", .point = {}, .options = {}};
    OverlayOptions options;
    if (writable) {
        options.work = directories_.path(cat(stack.id, "/work"));
        options.upper = path(stack.id);
    }
    options.lowers.reserve(lowers.size());
    for (const Id id : lowers)
        options.lowers.push_back(path(id));
    if (privilege_ != Privilege::root)
        options.others.emplace_back("userxattr");
    if (::access("/sys/module/overlay/parameters/index", F_OK) == 0)
        options.others.emplace_back("index=off");
    mount.options = format_overlay_options(options);
    return {mount};
}

DiskUsage Overlay::usage(Id id) const {
    return disk_usage(directories_.fd(), tree_of(id));
}

void Overlay::sync() const {
    sync_file_system(directories_.fd(), "snapshots");
}

void Overlay::seal(Id id, const std::stop_token& stop) {
    // The kernel puts something there when the directory is mounted, and only then are there marks of its own.
    const std::string work = cat(id, "/work");
    const std::vector<std::string> names = list_directory(directories_.fd(), work);
    if (names.empty())
        return;
    forget_origins(tree(id).get(), overlay_marks(privilege_), stop);
    for (const std::string& name : names)
        remove_tree(directories_.fd(), cat(work, '/', name));
}

std::optional<std::string> overlay_unusable() {
    if (!may_mount(privilege()))
        return "overlayfs needs root, or a user namespace";
    return std::nullopt;
}

} // namespace lade::snapshot
