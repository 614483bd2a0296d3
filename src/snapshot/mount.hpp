// SPDX-License-Identifier: Apache-2.0
// What to mount to see a snapshot, and doing it: for this process alone, or for all (registry-and-unpack.md 6).
// Everything is put together in a mount namespace that nobody else sees, so that a process that is killed meanwhile
// leaves nothing mounted. permission_denied where the privilege is missing; the kernel's other refusals by the kind
// of errno, with type and source named.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace lade::snapshot {

// A list of mounts is mounted in order and shows the last.
struct Mount {
    std::string type; // "bind", "overlay", "erofs", ...
    std::string source;
    // Where those that follow look for it, an absolute path; "": it is mounted at the place of the whole list.
    std::string point;
    std::vector<std::string> options; // mount_options.hpp
};

// The same to be read only: an overlay without its upper directory, the last of others with "ro".
std::vector<Mount> read_only(std::vector<Mount> mounts);

// The root of what `mounts` show, for this process alone: it is gone with the descriptor and with the process. A
// directory that is only bound is opened as it is, which takes no privilege; callers that asked for "ro" do not write.
// `scratch` is an absolute path of a directory that may be covered for an instant where nobody sees it. An overlay is
// not made durable for its own sake ("volatile" is dropped: it would spoil the upper directory for others).
Fd open_mounts(std::vector<Mount> mounts, const std::string& scratch);

// Mounts at the directory `target` for everybody who shares our mount namespace: all, or nothing. Linux 5.2.
void mount_at(const std::vector<Mount>& mounts, const std::string& target);

// Unmounts what is on top at `target`. busy: something there stays in use.
enum class Unmounting { done, nothing, busy };
Unmounting unmount(const std::string& target);

// Unmounts whatever is mounted at `target`, also when it is several on top of each other; returns how many.
// unavailable: something there stays in use.
std::size_t unmount_all(const std::string& target);

} // namespace lade::snapshot
