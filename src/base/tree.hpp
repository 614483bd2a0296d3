// SPDX-License-Identifier: Apache-2.0
// Whole directory trees, however deep: no call here holds more than a few descriptors. Links are never
// followed. Paths are relative to a directory descriptor that the caller keeps open.
#pragma once

#include <cstdint>
#include <string>

namespace lade {

// Removes `name` whatever it is. Absent is success.
void remove_tree(int dir, const std::string& name);

// Sums a tree as `du` does: allocated bytes (st_blocks * 512) and inodes, hard links once. Absent is nothing.
struct DiskUsage {
    std::uint64_t size = 0;
    std::uint64_t inodes = 0;
};
DiskUsage disk_usage(int dir, const std::string& name);

} // namespace lade
