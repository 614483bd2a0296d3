// SPDX-License-Identifier: Apache-2.0
// A file as a block device (registry-and-unpack.md 6).
#pragma once

#include <string>

#include "base/fd.hpp"

namespace lade::snapshot {

struct LoopDevice {
    std::string path; // /dev/loopN
    Fd fd;            // the kernel frees the device when this, and whatever is mounted from it, is closed
};

// Attaches `file`. permission_denied without the privilege; unavailable: every free device was taken by others first;
// not_found: there are no loop devices.
LoopDevice attach_loop_device(const std::string& file, bool read_only, bool direct_io);

// Whether the loop device at `path` is made of the file `name` below `directory`. False where that cannot be told.
bool is_loop_of(const std::string& path, int directory, const std::string& name);

} // namespace lade::snapshot
