// SPDX-License-Identifier: Apache-2.0
// `content fetch-object` and `fetch-blob`: objects of a repository straight to a sink, without a store.
//
// Documents, and whatever else has at most oci::max_document bytes, are verified before anything is sent. Larger
// objects are sent as they arrive; should their digest not match, data_loss comes after the last byte.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/stream.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"

namespace lade::transfer {

// Sends what the reference resolves to.
void fetch_object(const oci::Reference& reference, const registry::Options& options, Sink& sink,
                  const std::stop_token& stop);

// Sends blobs of the reference's repository, one behind the other; its tag does not matter. `media_type` is what they
// are expected to be, "" for any blob: one of a document says that they are manifests. The first error ends it.
void fetch_blobs(const oci::Reference& reference, const std::vector<oci::Digest>& digests,
                 const std::string& media_type, const registry::Options& options, Sink& sink,
                 const std::stop_token& stop);

} // namespace lade::transfer
