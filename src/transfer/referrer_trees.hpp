// SPDX-License-Identifier: Apache-2.0
// What refers to an image, to follow it into another repository: each referrer is a tree of its own
// (registry-and-unpack.md 2.11, 2.12).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/referrer_walk.hpp"

namespace lade::transfer {

struct ReferrerReader {
    FindReferrers find;
    TreeReader tree;
};

// Those of each document of the image, and theirs, each once and behind what it refers to. One that is listed and is
// none, or is not all there, is left out and `warn` told. resource_exhausted: beyond any use. Else as the reader.
std::vector<ImageTree> collect_referrers(const ImageTree& image, const ReferrerReader& reader, bool nondistributable,
                                         const std::function<void(const std::string&)>& warn);

} // namespace lade::transfer
