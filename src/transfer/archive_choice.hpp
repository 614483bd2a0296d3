// SPDX-License-Identifier: Apache-2.0
// What of an archive is imported: which of its images, for which platforms and under which names, and what refers to
// them (registry-and-unpack.md 7.2).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "oci/manifest.hpp"
#include "transfer/archive_provider.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_files.hpp"
#include "transfer/import.hpp"
#include "transfer/missing_blobs.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

struct NamedTarget {
    std::string name; // in full
    oci::Descriptor target;
};

struct ChosenManifest {
    std::string media_type;
    oci::Digest digest;
    std::uint64_t size = 0;
    bool is_unpacked = false; // where there is a destination
};

// Without its documents: there may be thousands, and the store has them.
struct ChosenImage {
    oci::Digest root;
    std::vector<ChosenManifest> manifests;
};

struct ArchiveChoice {
    std::string index; // to be stored and named, as ArchiveListing has it; "" when it gets no name
    std::deque<NamedTarget> names;
    std::vector<ChosenImage> images;              // each root once
    std::map<oci::Digest, oci::Labels> referrers; // the labels that keep them, by subject
};

// The documents of all that is chosen are in the store, held by the lease of `origin`. What they say that there is, and
// neither the archive nor the store has, goes to `missing`; where a document is, the image is left out of the choice.
// What is left out for its platform is told on the board. not_found: there is nothing to choose; invalid_argument: one
// name for two images, or as list_archive(), or as sort_blobs().
ArchiveChoice choose_from_archive(const Origin& origin, const std::optional<Destination>& destination,
                                  const ImageFiles& files, ArchiveProvider& provider, const ImportOptions& options,
                                  MissingBlobs& missing, const std::stop_token& stop);

} // namespace lade::transfer
