// SPDX-License-Identifier: Apache-2.0
// What lists and trees tell about an image, read from the documents in the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "store/blobs.hpp"

namespace lade::transfer {

struct ImageSummary {
    std::uint64_t size = 0;             // nominal: target, best manifest, its config and layers
    std::vector<std::string> platforms; // sorted, each once; unknown ones left out
};

// not_found: the target is not here; data_loss: a document is damaged. Other documents that are missing, as those of
// platforms that nobody pulled, count nothing.
ImageSummary summarize(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& wish);

// The children of an index or manifest (registry-and-unpack.md 3.2); none for anything else and for a
// document that is not here.
std::vector<oci::Descriptor> children_of(store::Blobs& blobs, const oci::Descriptor& descriptor);

} // namespace lade::transfer
