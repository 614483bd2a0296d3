// SPDX-License-Identifier: Apache-2.0
// How far the bytes of an ingest can be relied on: the digest of its first bytes, noted every so often in the file
// `checkpoints` beside them. Nothing is synced for it: what a power cut has taken, of the bytes or of the notes, no
// longer fits the other. A process that merely died has lost nothing that it wrote, which the boot's ID tells.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lade::content {

struct Checkpoint {
    std::uint64_t offset = 0;
    std::string digest; // of the bytes before it
};

struct Checkpoints {
    bool since_boot = false;        // written while the machine was running as it is now: no byte got lost
    std::vector<Checkpoint> points; // in ascending order
};

// As far as they can be read; none is as good as unreadable ones.
Checkpoints read_checkpoints(int directory);
// Begins the file anew, of this boot, with the points up to `offset`.
void begin_checkpoints(int directory, const std::vector<Checkpoint>& points, std::uint64_t offset);
void add_checkpoint(int directory, const Checkpoint& point);

} // namespace lade::content
