// SPDX-License-Identifier: Apache-2.0
// Images that are named together: all of them, or none.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "store/images.hpp"
#include "store/store.hpp"

namespace lade::store {

struct ReadImage {
    Image image;
    std::optional<Summary> summary; // what its documents say on the platform
};

// As Images::put() of each, in one transaction. The target that each name had before, in the same order. `lease` as
// Images has it.
std::vector<std::optional<oci::Digest>> put_images(Store& store, const std::string& name_space,
                                                   const std::string& lease, const std::deque<ReadImage>& images,
                                                   const std::string& platform);

// One of them, in the transaction of whoever calls, who has looked at what had the name.
void put_image_row(Store& store, const std::string& name_space, const std::string& lease, const ReadImage& image,
                   const std::string& platform);

// For who writes an image, in that transaction.
void hold_by_lease(Store& store, const std::string& name_space, const std::string& lease, const Image& image);

} // namespace lade::store
