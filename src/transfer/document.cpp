// SPDX-License-Identifier: Apache-2.0
#include "transfer/document.hpp"

#include "base/error.hpp"
#include "base/stream.hpp"

namespace lade::transfer {

oci::Descriptor put_document(store::Blobs& blobs, const std::string& text, std::string_view media_type,
                             const oci::Labels& labels, store::LeaseHold& lease, const std::stop_token& stop) {
    StringSource source(text);
    const oci::Digest digest = oci::Digest::of(text);
    blobs.put(source, {.ref = cat("document-", digest), .digest = digest, .size = text.size(), .resumable = false},
              labels, lease, stop);
    // One that was there is taken as it is: the labels hold what it refers to.
    if (!labels.empty())
        blobs.label(digest, labels);
    return {.media_type = std::string(media_type), .digest = digest, .size = text.size()};
}

oci::Descriptor put_manifest(store::Blobs& blobs, const std::string& text, std::string_view media_type,
                             store::LeaseHold& lease, const std::stop_token& stop) {
    return put_document(blobs, text, media_type,
                        reference_labels(oci::parse_manifest(text, media_type, "new manifest")), lease, stop);
}

} // namespace lade::transfer
