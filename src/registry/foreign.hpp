// SPDX-License-Identifier: Apache-2.0
// Layers that registries do not keep, from the URLs that their descriptors name (registry-and-unpack.md 2.4.1): places
// that a stranger chose. They see nothing of ours: no credentials, no headers of hosts, no certificate.
#pragma once

#include <stop_token>
#include <string>

#include "oci/manifest.hpp"
#include "registry/blob_receiver.hpp"
#include "registry/http.hpp"
#include "registry/retry.hpp"

namespace lade::registry {

// The hosts of the descriptor's http and https URLs, each once, for people; "" when there is none.
std::string foreign_hosts(const oci::Descriptor& descriptor);

// What is missing to `receiver` from the first URL that does not answer 404; where that one fails, it ends.
// Unless `may_be_local`, nothing is sent to addresses of this machine, this link or a private network
// (permission_denied). not_found: no URL has it.
void fetch_foreign(Client& client, const oci::Descriptor& descriptor, bool may_be_local, Attempts attempts,
                   BlobReceiver& receiver, const std::stop_token& stop);

} // namespace lade::registry
