// SPDX-License-Identifier: Apache-2.0
#include "snapshot/layered.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <string_view>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/files.hpp"
#include "base/overlay_marks.hpp"
#include "base/process.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "base/xattrs.hpp"
#include "snapshot/features.hpp"
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
    const std::string path = cat(proc_path(directory), '/', name);
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

void Layered::create(const Stack& stack, const std::stop_token& /*stop*/) {
    const Owner root = owner(stack);
    directories_.make(stack.id, {{.name = "fs", .mode = 0755}, {.name = "work", .mode = 0711}});
    const Fd top = tree(stack.id);
    // A new top looks like what it covers until something changes its root.
    if (!stack.parents.empty())
        doing([&] { return cat("snapshot ", stack.id, ": take over the root of its parent"); },
              [&] { copy_metadata(layer(stack.parents.front()).get(), top.get()); });
    constexpr auto as_it_is = static_cast<uid_t>(-1);
    if ((root.uid || root.gid) &&
        ::fchown(top.get(), root.uid.value_or(as_it_is), root.gid.value_or(static_cast<gid_t>(as_it_is))) != 0)
        throw_errno(errno, "snapshot ", stack.id, ": set the owner of its root");
}

Fd Layered::tree(Id id) const {
    return open_at(directories_.fd(), tree_of(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string Layered::path(Id id) const {
    return directories_.path(tree_of(id));
}

std::vector<Id> Layered::visible(const std::vector<Id>& parents) const {
    std::vector<Id> seen;
    for (const Id id : parents) {
        seen.push_back(id);
        if (is_opaque(tree(id).get(), overlay_marks(privilege_)))
            break;
    }
    return seen;
}

Mount Layered::overlay(const Stack& stack, const std::vector<Id>& lowers, Access access) const {
    OverlayOptions options;
    if (access == Access::read_write) {
        options.work = directories_.path(cat(stack.id, "/work"));
        options.upper = path(stack.id);
    }
    options.lowers.reserve(lowers.size());
    for (const Id id : lowers)
        options.lowers.push_back(path(id));
    options.others = mount_options_;
    if (privilege_ != Privilege::root)
        options.others.emplace_back("userxattr");
    if (overlay_has_index() && !names_option(mount_options_, "index"))
        options.others.emplace_back("index=off");
    Mount mount{.type = "overlay", .source = "overlay", .point = {}, .options = remapping(stack)};
    std::ranges::move(format_overlay_options(options), std::back_inserter(mount.options));
    return mount;
}

std::vector<Mount> Layered::mounts(const Stack& stack, Access access) const {
    const auto bind = [&](Id id, const char* mode) {
        Mount mount{.type = "bind", .source = path(id), .point = {}, .options = remapping(stack)};
        mount.options.insert(mount.options.end(), {mode, "rbind"});
        return std::vector<Mount>{mount};
    };
    const bool writable = access == Access::read_write;
    const std::vector<Id> lowers = visible(stack.parents);
    if (lowers.empty())
        return bind(stack.id, writable ? "rw" : "ro");
    std::vector<Mount> all;
    for (const Id id : lowers)
        if (auto mount = image(id))
            all.push_back(*std::move(mount));
    if (writable || lowers.size() > 1) {
        all.push_back(overlay(stack, lowers, access));
        return all;
    }
    if (all.empty())
        return bind(lowers.front(), "ro");
    // Nothing looks for the only one at its own place.
    all.front().point.clear();
    return all;
}

DiskUsage Layered::usage(const Stack& stack) const {
    return disk_usage(directories_.fd(), tree_of(stack.id));
}

void Layered::sync() const {
    sync_file_system(directories_.fd(), "snapshots");
}

// overlayfs does not mount an upper directory again that it had with the option volatile: it cannot know whether the
// machine stopped in between and lost what was not on disk. That it did not is told by a note of ours.
void Layered::make_mountable(Id id) const {
    const std::string note = cat(id, "/volatile-since");
    const std::string boot = text_in_proc("/proc/sys/kernel/random/boot_id");
    const std::string marks = cat(id, "/work", "/work", "/incompat");
    if (::faccessat(directories_.fd(), cat(marks, "/volatile").c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        if (find_text(directories_.fd(), note, mib) != boot)
            throw Error(ErrorKind::failed_precondition,
                        "it was mounted volatile when the machine stopped, so that what was written to it may be lost");
        sync();
        remove_tree(directories_.fd(), marks);
    }
    if (names_option(mount_options_, "volatile"))
        write_all(open_at(directories_.fd(), note, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600).get(),
                  as_bytes(boot), note);
}

void Layered::seal(Id id, const std::stop_token& stop) {
    // The kernel puts something there when the directory is mounted, and only then are there marks of its own.
    const std::string work = cat(id, "/work");
    const std::vector<std::string> names = list_directory(directories_.fd(), work);
    if (names.empty())
        return;
    forget_origins(tree(id).get(), overlay_marks(privilege_), stop);
    fault::point("snapshot.seal.origins");
    for (const std::string& name : names) {
        remove_tree(directories_.fd(), cat(work, '/', name));
        fault::point("snapshot.seal.work");
    }
}

} // namespace lade::snapshot
