// SPDX-License-Identifier: Apache-2.0
// What is mounted, as the kernel tells it: that of our own mount namespace and no other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lade::snapshot {

// A line of /proc/self/mountinfo, the kernel's octal escapes taken away.
struct MountEntry {
    std::uint64_t id = 0;
    std::string device; // "major:minor" of the file system
    std::string root;   // the part of it that is seen: "/", or what a bind mount shows
    std::string point;
    std::string type;
    std::string source;
    std::vector<std::string> options; // the file system's own, as mount_options.hpp understands them
};

// Lines that are none are passed over.
std::vector<MountEntry> parse_mount_table(std::string_view text);
// In the order of mounting: of several at one point the last is seen.
std::vector<MountEntry> read_mount_table();

// The id of the mount that an open file lies on.
std::uint64_t mount_id(int fd);
// The path of an open directory, links resolved.
std::string path_of(int fd);

// Who keeps `point` from being unmounted, as far as /proc tells: processes that work, or have files open, below it, and
// mounts below it. For people; may be empty.
std::vector<std::string> users_of(const std::string& point);

} // namespace lade::snapshot
