// SPDX-License-Identifier: Apache-2.0
#include "base/tree.hpp"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

using Inode = std::pair<dev_t, ino_t>;

// Parents are not kept open but found again by "..", so depth costs names, not descriptors.
struct Level {
    std::string name;
    std::vector<std::string> left;
    Inode inode;
};

std::optional<Fd> find_directory(int parent, const std::string& name) {
    return find_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Inode inode_of(int fd, const std::string& name) {
    struct stat st {};
    if (::fstat(fd, &st) != 0)
        throw_errno(errno, "stat ", name);
    return {st.st_dev, st.st_ino};
}

Level open_level(int fd, const std::string& name) {
    return {.name = name, .left = list_directory(fd, "."), .inode = inode_of(fd, name)};
}

// `enter(parent, name)` says whether to go into what is there, `leave(parent, name)` comes after all that is in it.
template <typename Enter, typename Leave>
void walk(int dir, const std::string& name, Enter enter, Leave leave) {
    if (!enter(dir, name))
        return;
    auto found = find_directory(dir, name);
    if (!found)
        return;
    Fd current = *std::move(found);
    std::vector<Level> levels;
    levels.push_back(open_level(current.get(), name));
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.left.empty()) {
            const std::string done = level.name;
            levels.pop_back();
            if (levels.empty()) {
                current.reset();
                leave(dir, done);
                return;
            }
            Fd up = open_at(current.get(), "..", O_RDONLY | O_DIRECTORY);
            if (inode_of(up.get(), done) != levels.back().inode)
                throw Error(ErrorKind::failed_precondition, "directory ", printable(done),
                            " was moved while it was read");
            current = std::move(up);
            leave(current.get(), done);
            continue;
        }
        const std::string child = std::move(level.left.back());
        level.left.pop_back();
        if (!enter(current.get(), child))
            continue;
        if (auto below = find_directory(current.get(), child)) {
            levels.push_back(open_level(below->get(), child));
            current = *std::move(below);
        }
    }
}

// A subvolume goes at once, however much is in it; btrfs frees it later.
bool remove_subvolume(int parent, const std::string& name) {
    constexpr ino_t root_of_subvolume = 256;
    struct stat st {};
    struct statfs system {};
    if (::fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != root_of_subvolume ||
        ::fstatfs(parent, &system) != 0 || system.f_type != BTRFS_SUPER_MAGIC)
        return false;
    btrfs_ioctl_vol_args arguments{};
    if (name.size() >= sizeof arguments.name)
        return false;
    std::ranges::copy(name, arguments.name);
    // Where it is refused (privilege, another subvolume inside) it goes as directories do.
    return ::ioctl(parent, BTRFS_IOC_SNAP_DESTROY, &arguments) == 0;
}

} // namespace

void remove_tree(int dir, const std::string& name) {
    const auto enter = [](int parent, const std::string& child) {
        if (::unlinkat(parent, child.c_str(), 0) == 0 || errno == ENOENT)
            return false;
        if (errno != EISDIR && errno != EPERM)
            throw_errno(errno, "remove ", printable(child));
        if (remove_subvolume(parent, child))
            return false;
        // An ordinary user's own directory may be closed to the user.
        if (::geteuid() != 0)
            static_cast<void>(!::fchmodat(parent, child.c_str(), 0700, 0));
        return true;
    };
    const auto leave = [](int parent, const std::string& child) {
        if (::unlinkat(parent, child.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
            throw_errno(errno, "remove directory ", printable(child));
    };
    walk(dir, name, enter, leave);
}

DiskUsage disk_usage(int dir, const std::string& name) {
    return disk_usage(dir, name, [](const struct stat&) { return true; });
}

DiskUsage disk_usage(int dir, const std::string& name, const std::function<bool(const struct stat&)>& counts) {
    DiskUsage usage;
    std::set<Inode> linked;
    const auto enter = [&](int parent, const std::string& child) {
        struct stat st {};
        if (::fstatat(parent, child.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT)
                return false;
            throw_errno(errno, "stat ", printable(child));
        }
        const bool is_directory = S_ISDIR(st.st_mode);
        const bool is_first = is_directory || st.st_nlink == 1 || linked.emplace(st.st_dev, st.st_ino).second;
        if (is_first && counts(st)) {
            usage.size += static_cast<std::uint64_t>(st.st_blocks) * 512;
            usage.inodes += 1;
        }
        return is_directory;
    };
    walk(dir, name, enter, [](int, const std::string&) {});
    return usage;
}

} // namespace lade
