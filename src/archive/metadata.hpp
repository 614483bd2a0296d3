// SPDX-License-Identifier: Apache-2.0
// Owner, xattrs, mode and times of what was just made, in that order: a change of owner clears set-id bits
// and capabilities (registry-and-unpack.md 5.3). Always on a descriptor, never by a name that could be a link.
#pragma once

#include <array>
#include <ctime>
#include <set>
#include <string>

#include "archive/applier.hpp"
#include "archive/tar.hpp"

namespace lade::archive {

using Times = std::array<timespec, 2>; // access, modification

Times times_of(const Entry& entry);

class Metadata {
public:
    Metadata(Privilege privilege, Applied& applied);

    // What a new file of ours belongs to without our doing, so that a call can be saved.
    bool owned_by_default(const Entry& entry, bool set_gid_directory) const noexcept;
    // `fd` may be an O_PATH descriptor (links, devices).
    void set_owner(int fd, const Entry& entry);
    void set_xattrs(int fd, const Entry& entry);
    // What an object that the entry takes over had before; overlayfs's own marks stay.
    static void clear_xattrs(int fd);
    void set_mode(int fd, mode_t mode) const;
    static void set_times(int fd, const Times& times);

private:
    Privilege privilege_;
    uid_t uid_;
    gid_t gid_;
    Applied& applied_;
    std::set<std::string> warned_;
};

} // namespace lade::archive
