// SPDX-License-Identifier: Apache-2.0
// What the store has of an image, to go to a registry or to another store.
#pragma once

#include <string>
#include <vector>

#include "store/blobs.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/progress.hpp"
#include "transfer/referrer_trees.hpp"

namespace lade::transfer {

// `name` is what the root is called in messages. What is left out, and that an index is another one for it, is told on
// the board. failed_precondition names what is missing and what to do about it; data_loss: the file of a blob is
// missing or has another size; and as collect_tree().
ImageTree collect_stored_tree(store::Blobs& blobs, const std::string& name, const oci::Descriptor& root,
                              const TreeRules& rules, Progress& progress);

// Those that are kept with the image, as collect_referrers() has it.
std::vector<ImageTree> collect_stored_referrers(store::Blobs& blobs, const ImageTree& image, bool nondistributable,
                                                   Progress& progress);

} // namespace lade::transfer
