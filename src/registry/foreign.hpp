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

// How near a place may be that an image names: as near as the registry that it came from, whose users could reach it
// anyway. A stranger's image is no way into what only this machine, or only this network, can reach.
struct Nearness {
    bool local = false;           // addresses of this machine or this link
    bool private_network = false; // those of a private network
};

// What is missing to `receiver` from the first URL that does not answer 404; where that one fails, it ends.
// permission_denied: it, or where it redirects to, is nearer than it may be; nothing was sent there. not_found: no URL
// has it.
void fetch_foreign(Client& client, const oci::Descriptor& descriptor, const Nearness& nearness, Attempts attempts,
                   BlobReceiver& receiver, const std::stop_token& stop);

} // namespace lade::registry
