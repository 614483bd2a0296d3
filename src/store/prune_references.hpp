// SPDX-License-Identifier: Apache-2.0
// Lets go of layers that are unpacked already (containerd-store.md 1.4, `content prune references`).
#pragma once

#include <string>
#include <vector>

#include "oci/labels.hpp"
#include "store/gc.hpp"
#include "store/store.hpp"

namespace lade::store {

struct PrunedBlob {
    oci::Digest digest;
    oci::Labels removed; // labels
};

// Removes the labels by which manifests of the namespace keep their layers, containerd's of today and of old, in one
// transaction: the next collection takes the layers that nothing else keeps. Returns the blobs that had such labels,
// in byte order; a dry run changes nothing.
std::vector<PrunedBlob> prune_references(Store& store, const std::string& name_space, Mode mode);

} // namespace lade::store
