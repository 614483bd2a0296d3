// SPDX-License-Identifier: Apache-2.0
// What images take on disk, and how much of it is theirs alone, as collection sees it: what an image reaches.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "store/store.hpp"

namespace lade::store {

// Bytes. What is held by other things than images, or by another name of the same target, is neither shared nor unique.
// Nothing is told of other namespaces, though they may keep the file of a blob that goes here.
struct Holding {
    std::uint64_t size = 0;   // of all that the image reaches and that is here
    std::uint64_t shared = 0; // of these, what an image with another target reaches, too
    std::uint64_t unique = 0; // of these, what goes when this name goes: nothing else in the namespace keeps it
};

struct ImageUsage {
    Holding content;                 // blobs
    std::optional<Holding> unpacked; // snapshots of all snapshotters; nullopt: one of them cannot be measured
};

// Of all images of the namespace, by name. Reads rows, and walks the directory of each snapshot once; waits for nobody.
std::map<std::string, ImageUsage> image_usage(Store& store, const std::string& name_space, const std::stop_token& stop);

} // namespace lade::store
