// SPDX-License-Identifier: Apache-2.0
// What of an archive is imported: which of its images, for which platforms and under which names, and what refers to
// them (registry-and-unpack.md 7.2).
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "oci/manifest.hpp"
#include "transfer/archive_provider.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image.hpp"
#include "transfer/image_files.hpp"
#include "transfer/import.hpp"
#include "transfer/missing_blobs.hpp"

namespace lade::transfer {

struct NamedTarget {
    std::string name; // in full
    oci::Descriptor target;
};

struct ChosenImage {
    oci::Descriptor root;
    std::string name; // for people
    std::vector<PlatformImage> images;
    bool is_referrer = false; // it came along with what it refers to
};

struct ArchiveChoice {
    std::string index; // to be stored and named, as ArchiveListing has it
    std::vector<NamedTarget> names;
    std::vector<ChosenImage> images;              // each root once
    std::map<oci::Digest, oci::Labels> referrers; // the labels that keep them, by subject
};

// The documents of all that is chosen are in the store, held by the lease of `origin`. What they say that there is, and
// neither the archive nor the store has, goes to `missing`, and the image may be left out of the choice. What is left
// out for its platform is told on the board. not_found: there is nothing to choose; invalid_argument: one name for two
// images, or as list_archive().
ArchiveChoice choose_from_archive(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                                  const ImportOptions& options, MissingBlobs& missing, const std::stop_token& stop);

// Whether the archive or the store has it; what the store has the lease holds from now on.
bool is_at_hand(const Origin& origin, const ArchiveProvider& provider, const oci::Descriptor& blob,
                const std::stop_token& stop);

} // namespace lade::transfer
