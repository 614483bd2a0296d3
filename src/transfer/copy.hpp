// SPDX-License-Identifier: Apache-2.0
// `images copy`: from a registry to a registry. Documents are held in memory, blobs pass through; nothing is stored.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "store/store.hpp"
#include "transfer/push.hpp"

namespace lade::transfer {

struct CopyOptions {
    std::string name_space;
    std::vector<oci::Platform> platforms; // as PushOptions has them
    bool nondistributable = false;
    bool referrers = false;  // what the source knows to refer to any of it goes, too
    std::size_t at_once = 4; // blobs
    std::uint64_t piece = registry::default_piece;
    registry::Options source;
    registry::Options target;
};

// Every blob is verified on its way; one with another digest is never completed at the target, and comes from whoever
// else has it. What the target has is left as it is, what another repository of it has is mounted, and what `store`
// has, if one is given, is taken from there. failed_precondition: schema 1.
Pushed copy_image(store::Store* store, const oci::Reference& source, const oci::Reference& target,
                  const CopyOptions& options, Progress& progress, const std::stop_token& stop);

} // namespace lade::transfer
