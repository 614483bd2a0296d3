// SPDX-License-Identifier: Apache-2.0
// One repository that is written to (registry-and-unpack.md 2.10): on the first host of its list that takes pushes, and
// on no other. Safe to use from several threads at once; they share connections and tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "registry/upload.hpp"

namespace lade::registry {

class Pusher {
public:
    // Makes no request; what Repository says of hosts and credentials. failed_precondition: no host takes pushes.
    // Larger blobs than `piece` go in pieces of that size.
    Pusher(const oci::Reference& reference, const Options& options, std::uint64_t piece = default_piece);
    ~Pusher();
    Pusher(const Pusher&) = delete;
    Pusher& operator=(const Pusher&) = delete;

    // A blob, unless the registry has it; see upload.hpp. unauthenticated, permission_denied: 401, 403; unavailable:
    // network, 429, 5xx; failed_precondition: the registry does not take it; data_loss: the content is not what the
    // descriptor says (WrongContent), or the registry says that it got something else.
    UploadResult upload(const oci::Descriptor& blob, BlobContent& content, const std::string& mount_from,
                        const std::stop_token& stop);

    // An index or manifest under `name`, a tag or its digest, unless the registry has it there. What it refers to has
    // to be there before, but for its subject. One that has a subject is listed with it: by the registry itself, or
    // where that has no such list, in the index of a tag (referrers_tag.hpp). exists: it is there, and listed.
    // invalid_argument: the document cannot be read, or that tag is no index. Else as above.
    UploadResult put_document(const oci::Descriptor& document, std::string_view text, const std::string& name,
                              const std::stop_token& stop);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lade::registry
