// SPDX-License-Identifier: Apache-2.0
// Whole directory trees, however deep: no call here holds more than a few descriptors. Links are never
// followed. Paths are relative to a directory descriptor that the caller keeps open.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <string>

namespace lade {

// Removes `name` whatever it is, subvolumes of btrfs included. Absent is success.
void remove_tree(int dir, const std::string& name);

// Sums a tree as `du` does: allocated bytes (st_blocks * 512) and inodes, hard links once. Absent is nothing.
struct DiskUsage {
    std::uint64_t size = 0;
    std::uint64_t inodes = 0;
};
DiskUsage disk_usage(int dir, const std::string& name);
// The same of those that `counts` says yes to; it is asked once for each inode.
DiskUsage disk_usage(int dir, const std::string& name, const std::function<bool(const struct stat&)>& counts);

} // namespace lade
