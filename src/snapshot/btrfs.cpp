// SPDX-License-Identifier: Apache-2.0
#include "snapshot/btrfs.hpp"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/privilege.hpp"
#include "snapshot/features.hpp"

namespace lade::snapshot {

namespace {

constexpr std::string_view subvolume = "fs";

std::string tree_of(Id id) {
    return cat(id, '/', subvolume);
}

btrfs_ioctl_vol_args_v2 arguments_of(std::string_view name) {
    btrfs_ioctl_vol_args_v2 arguments{};
    std::ranges::copy(name, arguments.name);
    return arguments;
}

} // namespace

void Btrfs::create(const Stack& stack, const std::stop_token& /*stop*/) {
    directories_.make(stack.id, {});
    const Fd parent = open_at(directories_.fd(), std::to_string(stack.id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    btrfs_ioctl_vol_args_v2 arguments = arguments_of(subvolume);
    if (!stack.parents.empty()) {
        const Fd from = tree(stack.parents.front());
        arguments.fd = from.get();
        if (::ioctl(parent.get(), BTRFS_IOC_SNAP_CREATE_V2, &arguments) != 0)
            throw_errno(errno, "snapshot ", stack.id, ": snapshot of subvolume ", tree_of(stack.parents.front()));
        return;
    }
    if (::ioctl(parent.get(), BTRFS_IOC_SUBVOL_CREATE_V2, &arguments) != 0)
        throw_errno(errno, "snapshot ", stack.id, ": create subvolume");
    const Fd root = tree(stack.id);
    if (::fchmod(root.get(), 0755) != 0)
        throw_errno(errno, "snapshot ", stack.id, ": set mode");
    set_epoch(root.get(), ".");
}

Fd Btrfs::tree(Id id) const {
    return open_at(directories_.fd(), tree_of(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string Btrfs::path(Id id) const {
    return directories_.path(tree_of(id));
}

std::vector<Mount> Btrfs::mounts(const Stack& stack, Access access) const {
    return bind_whole(*this, stack, access);
}

void Btrfs::seal(Id id, const std::stop_token& /*stop*/) {
    btrfs_ioctl_get_subvol_rootref_args below{};
    const bool is_told = ::ioctl(tree(id).get(), BTRFS_IOC_GET_SUBVOL_ROOTREF, &below) == 0 || errno == EOVERFLOW;
    if (is_told && below.num_items > 0)
        throw Error(ErrorKind::failed_precondition, path(id),
                    " has subvolumes in it, which snapshots of it would show ", "empty: make them directories");
}

DiskUsage Btrfs::usage(const Stack& stack) const {
    if (stack.parents.empty())
        return disk_usage(directories_.fd(), tree_of(stack.id));
    // A snapshot keeps inode numbers, and gives new files others; whatever is written to a file changes its ctime.
    std::unordered_map<ino_t, timespec> before;
    disk_usage(directories_.fd(), tree_of(stack.parents.front()), [&](const struct stat& st) {
        before.emplace(st.st_ino, st.st_ctim);
        return false;
    });
    return disk_usage(directories_.fd(), tree_of(stack.id), [&](const struct stat& st) {
        const auto found = before.find(st.st_ino);
        return found == before.end() || found->second.tv_sec != st.st_ctim.tv_sec ||
               found->second.tv_nsec != st.st_ctim.tv_nsec;
    });
}

void Btrfs::sync() const {
    sync_file_system(directories_.fd(), "snapshots");
}

std::optional<std::string> btrfs_unusable(const std::string& directory) {
    if (!lies_on(directory, BTRFS_SUPER_MAGIC))
        return "btrfs snapshots need a store that lies on btrfs";
    if (!may_enter_all(privilege()))
        return "btrfs snapshots need root, or a user namespace, to keep owners";
    return std::nullopt;
}

} // namespace lade::snapshot
