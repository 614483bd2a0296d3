// SPDX-License-Identifier: Apache-2.0
// From a reference to the descriptor of its root, on one host (registry-and-unpack.md 2.3).
#pragma once

#include <stop_token>

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/channel.hpp"

namespace lade::registry {

// By HEAD where the registry allows; by GET, with the digest made from the body, where it does not say
// enough. Errors as Repository::resolve.
oci::Descriptor resolve(Channel& channel, const oci::Reference& reference, unsigned retries,
                        const std::stop_token& stop);

// As resolve(), of a reference that names a blob by its digest: looked for among the blobs first, or last if it is
// expected to be a document. A blob's media type is what the registry says, which is seldom much.
oci::Descriptor resolve_blob(Channel& channel, const oci::Reference& reference, bool document, unsigned retries,
                             const std::stop_token& stop);

} // namespace lade::registry
