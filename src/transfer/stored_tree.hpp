// SPDX-License-Identifier: Apache-2.0
// What the store has of an image, to go to a registry or to another store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/blobs.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/progress.hpp"
#include "transfer/referrer_trees.hpp"

namespace lade::transfer {

// data_loss: the file of something that is recorded is missing or cut.
TreeReader stored_reader(store::Blobs& blobs);

// A line for people: what is missing of which platforms, the first few by name.
std::string describe_missing(const std::vector<MissingPart>& missing);

// `name` is what the root is called in messages. What is left out, and that an index is another one for it, is told on
// the board. failed_precondition names what is missing and what to do about it; data_loss: the file of a blob is
// missing or has another size; and as collect_tree().
// `advice` is what else to do about an index that is not whole.
ImageTree collect_stored_tree(store::Blobs& blobs, const std::string& name, const oci::Descriptor& root,
                              const TreeRules& rules, Progress& progress,
                              std::string_view advice = "--platform takes one platform, --skip-missing what is here");

struct StoredTreeOptions {
    // One: that image alone, or with keep_indexes the index with nothing else behind it; several: an index of these;
    // none: all that the target consists of.
    std::vector<oci::Platform> platforms;
    bool skip_missing = false; // as TreeRules has these three
    bool keep_indexes = false;
    bool nondistributable = false;
};

// The same for a wish for platforms; not_found: one of them.
ImageTree collect_stored_platforms(store::Blobs& blobs, const std::string& name, const oci::Descriptor& target,
                                   const StoredTreeOptions& options, Progress& progress, std::string_view advice);

// Those that are kept with the image, as collect_referrers() has it.
std::vector<ImageTree> collect_stored_referrers(store::Blobs& blobs, const ImageTree& image, bool nondistributable,
                                                Progress& progress);

} // namespace lade::transfer
