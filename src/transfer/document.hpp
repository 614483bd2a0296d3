// SPDX-License-Identifier: Apache-2.0
// Documents that are made here.
#pragma once

#include <stop_token>
#include <string>

#include "oci/labels.hpp"
#include "oci/manifest.hpp"
#include "store/blobs.hpp"
#include "store/leases.hpp"

namespace lade::transfer {

// Makes `text` a blob with these labels, held by the lease, and returns its descriptor.
oci::Descriptor put_document(store::Blobs& blobs, const std::string& text, std::string_view media_type,
                             const oci::Labels& labels, store::LeaseHold& lease, const std::stop_token& stop);

// The same of a manifest, whose labels are those of what it refers to.
oci::Descriptor put_manifest(store::Blobs& blobs, const std::string& text, std::string_view media_type,
                             store::LeaseHold& lease, const std::stop_token& stop);

} // namespace lade::transfer
