// SPDX-License-Identifier: Apache-2.0
// The way from what is referred to, to what refers to it, and on: for whoever brings referrers into the store, or away.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "oci/manifest.hpp"

namespace lade::transfer {

// A signature of a statement about an image is three deep.
inline constexpr std::size_t max_referrer_depth = 8;
// Each is fetched or sent, and asked for by itself.
inline constexpr std::size_t max_referrers_moved = 1000;

// What refers to this, or is listed as if it did.
using FindReferrers = std::function<std::vector<oci::Descriptor>(const oci::Digest& subject)>;
// False when it is no referrer of that; it is taken elsewhere then, if it is listed there, too.
using TakeReferrer = std::function<bool(const oci::Digest& subject, const oci::Descriptor& referrer)>;

// Breadth first, so that each is taken after what it refers to; each once, however often it is listed, in a circle say,
// and nothing deeper than max_referrer_depth.
void walk_referrers(const std::vector<oci::Digest>& subjects, const FindReferrers& find, const TakeReferrer& take);

} // namespace lade::transfer
