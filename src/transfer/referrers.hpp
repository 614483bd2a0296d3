// SPDX-License-Identifier: Apache-2.0
// Signatures, SBOMs, attestations: the documents that have an image, or one of its manifests, for a subject
// (registry-and-unpack.md 2.11, 3.4). They are listed, or kept beside what they refer to; they are never an image.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "store/blobs.hpp"
#include "transfer/fetch.hpp"
#include "transfer/referrer_walk.hpp"

namespace lade::transfer {

struct Referrer {
    oci::Descriptor descriptor; // with artifact type and annotations
    oci::Digest subject;
    std::size_t depth = 0; // 0 for those of the subject that was asked about
};

struct Referrers {
    oci::Descriptor subject;
    std::vector<Referrer> list; // each behind its subject, in the order in which they were told
};

struct ReferrersOptions {
    std::string artifact_type;             // only these, and what refers to them; "" for all
    bool recursive = false;                // the referrers of referrers, too
    std::optional<oci::Platform> platform; // of this platform's manifest in place of the whole image
    registry::Options registry;
};

// As the registry has them, without a store. Errors as Repository::resolve(); resource_exhausted: beyond any use.
Referrers list_referrers(const oci::Reference& reference, const ReferrersOptions& options, const std::stop_token& stop);

// As the store has them, of an image's target; nobody is asked. `options.registry` does not matter.
Referrers list_stored_referrers(store::Blobs& blobs, const oci::Descriptor& target, const ReferrersOptions& options);

// Those that the store keeps for this content by their gc labels, in byte order of the digests; only those whose
// document is here.
std::vector<oci::Descriptor> find_stored_referrers(store::Blobs& blobs, const oci::Digest& subject);

// Brings the referrers of these subjects, which are in the store, into it, and theirs: documents at once, labelled on
// their subjects, so that they live as long. Returns the blobs that the documents refer to, which are still to be
// fetched. One that is listed and not there, or is none, is left out with a warning.
std::vector<oci::Descriptor> fetch_referrers(const RemoteOrigin& origin, const std::vector<oci::Digest>& subjects,
                                             const std::stop_token& stop);

} // namespace lade::transfer
