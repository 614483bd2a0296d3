// SPDX-License-Identifier: Apache-2.0
// From a reference to a descriptor, on one host and in one place (registry-and-unpack.md 2.3, 2.4).
#pragma once

#include <stop_token>

#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/channel.hpp"
#include "registry/retry.hpp"

namespace lade::registry {

// Among what the object is looked for. A digest may name any blob, e.g. a config.
enum class Among { manifests, blobs };

// By HEAD where the host allows; by GET, with the digest made from the body, where it does not say enough. A blob's
// media type is what the host says, which is seldom much. Errors as Repository::resolve.
oci::Descriptor find(Channel& channel, const oci::Reference& reference, Among place, Attempts attempts,
                     const std::stop_token& stop);

// data_loss when the reply says that what it is about has another digest (Docker-Content-Digest).
void check_told_digest(const Request& request, const Response& response, const oci::Digest& wanted);

} // namespace lade::registry
