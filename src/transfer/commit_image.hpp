// SPDX-License-Identifier: Apache-2.0
// `images commit`: a new image of what somebody changed in a snapshot.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/platform.hpp"
#include "store/store.hpp"
#include "transfer/diff.hpp"

namespace lade::transfer {

struct CommitImageOptions {
    std::string name_space;
    std::string lease; // of people, that holds what is made; "" for none
    std::string snapshotter;
    std::string key;  // a snapshot of any kind
    std::string name; // of the new image, in full
    // The base image: the nearest whose layers the snapshot lies on; one that is named in full; or, with from_nothing,
    // none at all.
    std::string from;
    bool from_nothing = false;
    oci::Platform platform; // of the base to choose, or of an image without one
    std::string media_type; // of the layer; "": what the base's kind of image has
    std::optional<int> level;
    std::string author;
    std::string message;
    std::vector<std::string> changes; // oci/config_change.hpp
    oci::Labels labels;               // of the image
    bool replace = false;             // what has the name
};

struct CommittedImage {
    oci::Descriptor target; // its manifest
    std::string base;       // "" for none
    oci::ChainId chain_id;
    StoredDiff layer;
};

// The new layer is what the snapshot has that the base has not, the manifest of the base's kind. The snapshot stays as
// it is; nobody should write to it meanwhile. Times are SOURCE_DATE_EPOCH where that is set: then the same gives the
// same. already_exists: the name; not_found: the snapshot, or the base; failed_precondition: the snapshot does not lie
// on the base, on no image, or on one that several different ones have the layers of; invalid_argument: a change, the
// name, or a media type that does not go with the base's. After an error nothing is named; blobs go with the next
// collection.
CommittedImage commit_image(store::Store& store, const CommitImageOptions& options, Progress& progress,
                            const std::stop_token& stop);

} // namespace lade::transfer
