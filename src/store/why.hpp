// SPDX-License-Identifier: Apache-2.0
// Who keeps an object: the references that lead to it from what is never collected (containerd-store.md 3).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "store/store.hpp"

namespace lade::store {

struct WhyStep {
    std::string via;  // the label or the kind of reference that leads here; "" for the root
    std::string type; // content, snapshot, image, ingest, lease, container
    std::string key;  // of a snapshot: <snapshotter>/<key>
};

struct Why {
    std::string type;
    std::string key;
    // From each root, which comes first, the shortest way; the shortest of all first. At most `most_chains`.
    std::vector<std::vector<WhyStep>> chains;
    // How many roots keep it. None: the next collection takes it.
    std::size_t roots = 0;
};

inline constexpr std::size_t most_chains = 10;

// Both read and wait for nobody. not_found names the object.
Why why_content(Store& store, const std::string& name_space, const oci::Digest& digest);
Why why_snapshot(Store& store, const std::string& name_space, std::string_view snapshotter, const std::string& key);

} // namespace lade::store
