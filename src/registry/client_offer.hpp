// SPDX-License-Identifier: Apache-2.0
// Several client certificates for one host: which of them it takes, a server says in the handshake
// (registry-and-unpack.md 2.9). For exchange_setup.cpp alone.
#pragma once

#include "registry/curl.hpp"

namespace lade::registry {

// False where libcurl's TLS is not the OpenSSL that we know; after curl() was called.
bool can_offer_clients();

// A CURLOPT_SSL_CTX_FUNCTION. `pairs` is a std::vector<ClientPair> that outlives the connections: the first is shown
// that was issued by somebody whom the server names, or the first of all when it names nobody; else none.
CURLcode offer_clients(CURL* easy, void* context, void* pairs);

} // namespace lade::registry
