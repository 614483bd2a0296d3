// SPDX-License-Identifier: Apache-2.0
// `images push` and `content push-object`: from rows to a registry (registry-and-unpack.md 2.10).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "store/blobs.hpp"
#include "store/store.hpp"
#include "transfer/delivery.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

struct PushOptions {
    std::string name_space;
    // One: that image alone is pushed; several: an index of these; none: all that the target consists of.
    std::vector<oci::Platform> platforms;
    bool skip_missing = false;                     // an index is pushed without the images that are not whole
    bool nondistributable = false;                 // layers that are not to be distributed go, too
    bool referrers = false;                        // what the store knows to refer to any of it goes, too
    std::size_t uploads = 4;                       // at the same time
    std::uint64_t piece = registry::default_piece; // of larger blobs, as registry::Pusher has it
    registry::Options registry;
};

struct Pushed {
    std::string name;       // the reference; of an object without a tag its repository
    oci::Descriptor target; // what it refers to now
    Delivered delivered;
};

// `name` is what the target is called in messages. Nothing is pushed unless all of it is in the store: what is missing
// is failed_precondition. What was pushed is labelled with where it can be had again.
Pushed push(store::Store& store, const std::string& name, const oci::Descriptor& target, const oci::Reference& remote,
            const PushOptions& options, Progress& progress, const std::stop_token& stop);

// One blob, index or manifest, as its media type says, without what it refers to. `tag` false: a document goes under
// its digest. not_found: it is not in the store.
Pushed push_object(store::Store& store, const oci::Descriptor& object, const oci::Reference& remote, bool tag,
                   const PushOptions& options, Progress& progress, const std::stop_token& stop);

// The descriptor of stored content. Without a media type a document is what it says that it is, or an OCI one if it
// has the members of one and does not say; anything else is application/octet-stream. not_found.
oci::Descriptor describe_stored(store::Store& store, const std::string& name_space, const oci::Digest& digest,
                                const std::optional<std::string>& media_type);

// A blob of the store; the row and file are looked for when it is opened.
std::unique_ptr<registry::BlobContent> stored_content(store::Blobs& blobs, const oci::Descriptor& blob);

} // namespace lade::transfer
