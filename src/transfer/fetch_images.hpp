// SPDX-License-Identifier: Apache-2.0
// The layers of chosen images, whose documents are in the store: fetched and unpacked at the same time, each byte read
// once.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/error.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

struct Wanted {
    std::vector<PlatformImage> images;       // unpacked, where there is a destination; artifacts are only stored
    std::vector<PlatformImage> content = {}; // only stored
    std::vector<oci::Descriptor> blobs = {}; // stored, whatever they belong to
};

// Whether bytes that are not the right ones may fail so. They are applied before their digest is known, so spoilt ones
// may fail in any way a hostile layer may.
bool may_be_damage(ErrorKind kind);

// A manifest that is named directly is taken whatever its platform (registry-and-unpack.md 3.5), but not in silence.
void warn_of_platform(const PlatformImage& image, const PlatformChoice& choice, Progress& progress);
// Whoever asks for an artifact's content gets it; that it is no image is said where one would have been unpacked.
void warn_of_artifacts(const std::vector<PlatformImage>& images, Progress& progress);

// The blobs that are to be in the store: all but the layers that are unpacked already. The lease holds them, and the
// snapshots of the others. Layers that cannot be unpacked are refused as by layers_of().
struct SortedBlobs {
    std::vector<oci::Descriptor> wanted;
    std::vector<oci::Descriptor> unpacked; // their snapshots exist, nobody needs their bytes
};
SortedBlobs sort_blobs(const Origin& origin, const std::optional<Destination>& destination, const Wanted& wanted);

// Fetches `at_once` blobs at the same time and unpacks the images behind them; the chain IDs of those. On success
// everything is stored, unpacked and labelled. A blob that was in the store already and turns out to be damaged is
// fetched anew, once; one that a provider sent wrongly as often as that has somebody else to send it.
std::vector<oci::ChainId> fetch_images(const Origin& origin, const std::optional<Destination>& destination,
                                       const Wanted& wanted, std::size_t at_once, const std::stop_token& stop);

} // namespace lade::transfer
