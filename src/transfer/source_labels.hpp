// SPDX-License-Identifier: Apache-2.0
// The labels that say in which repositories a blob can be had again (registry-and-unpack.md 4.1): a sorted list per
// host, whose port does not count.
#pragma once

#include <string>

#include "oci/labels.hpp"
#include "oci/reference.hpp"
#include "store/blobs.hpp"

namespace lade::transfer {

// The label as it is to be, with the reference's repository beside those that the store knows of. None when it would
// grow too long.
oci::Labels source_labels(store::Blobs& blobs, const oci::Reference& reference, const oci::Digest& digest);

// The repository among those of the labels, on the registry of `target` and another one than it, that has the most of
// its path in common with it (2.10); of several the last. "" when there is none.
std::string nearest_source(const oci::Labels& labels, const oci::Reference& target);

} // namespace lade::transfer
