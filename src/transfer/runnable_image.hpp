// SPDX-License-Identifier: Apache-2.0
// The one image of a tree that stands for it where there is room for one alone.
#pragma once

#include <optional>
#include <vector>

#include "store/blobs.hpp"
#include "transfer/image.hpp"
#include "transfer/image_tree.hpp"

namespace lade::transfer {

// Attestations and artifacts are none.
std::vector<PlatformImage> runnable_images(store::Blobs& blobs, const ImageTree& tree);

// The index of the one that is wished for, first wishes first; without a wish the one that this machine runs, else the
// nearest. nullopt: none is.
std::optional<std::size_t> best_image(const std::vector<PlatformImage>& images,
                                      const std::vector<oci::Platform>& wishes);

} // namespace lade::transfer
