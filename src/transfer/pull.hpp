// SPDX-License-Identifier: Apache-2.0
// `images pull` and `content fetch`: from a reference to rows (design.md 3).
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/labels.hpp"
#include "oci/layer.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "store/store.hpp"
#include "transfer/image.hpp"
#include "transfer/progress.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

enum class PullPolicy {
    always,
    if_missing, // asks nobody when all that is wanted is here
    if_newer,   // one question, for the digest; no more when that is the image's and all that is wanted is here
    offline,    // asks nobody: what is not here is not_found
};

struct PullOptions {
    std::string name_space;
    std::string lease; // of people, that holds what is made; "" for none
    PlatformChoice choice;
    bool layers = true;                     // false: documents only; then there is no snapshotter
    std::optional<std::string> snapshotter; // nullopt: content only
    oci::Labels labels;                     // of the image
    std::size_t downloads = 4;              // at the same time
    registry::Options registry;
    Limits limits; // of each image that is unpacked
    PullPolicy policy = PullPolicy::always;
    // What refers to the image or to a chosen manifest comes along as content (referrers.hpp), as long as anybody but
    // for a digest is asked at all.
    bool referrers = false;
};

struct Pulled {
    std::string name;
    oci::Descriptor target;
    std::vector<oci::ChainId> chain_ids; // of the unpacked images, in the order of the platforms
    bool stored = false;                 // all of it was here
};

// On success everything is on disk as the store's Sync says. A failure, a signal or a kill at any point
// leaves the store usable, partial downloads resumable, and nothing visible that is not whole.
Pulled pull(store::Store& store, const oci::Reference& reference, const PullOptions& options, Progress& progress,
            const std::stop_token& stop);

} // namespace lade::transfer
