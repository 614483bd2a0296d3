// SPDX-License-Identifier: Apache-2.0
// One repository on its registry: the only thing the floors above ask a registry for
// (registry-and-unpack.md 2, safety.md 4). Safe to use from several threads at once; they share
// connections and tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/program.hpp"
#include "base/stream.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/credentials.hpp"

namespace lade::registry {

struct Options {
    bool plain_http = false;                    // speak http to a registry that is not on loopback
    bool skip_verify = false;                   // do not verify the registry's certificate
    std::optional<Credentials> credentials;     // -u: for the reference's own registry only
    unsigned retries = 5;                       // further attempts after the first
    AskProgram ask_program = lade::ask_program; // runs credential helpers
};

class Repository {
public:
    // Makes no request. Where none are given, credentials are looked for (keyring.hpp) when a host wants some.
    Repository(const oci::Reference& reference, Options options);
    ~Repository();
    Repository(const Repository&) = delete;
    Repository& operator=(const Repository&) = delete;

    // The reference's root descriptor (2.3). not_found: no such tag; unauthenticated, permission_denied:
    // 401, 403; unavailable: network, 429, 5xx; data_loss: a digest that does not fit.
    oci::Descriptor resolve(const std::stop_token& stop);

    // The descriptor of what is known by its digest alone (2.4): looked for among the blobs, then among the manifests,
    // or the other way round if it is expected to be a document. Errors as above, and resource_exhausted when the
    // registry does not say how long something is that is longer than oci::max_document.
    oci::Descriptor resolve_blob(const oci::Digest& digest, bool document, const std::stop_token& stop);

    // Sends the bytes [offset, descriptor.size) to `sink`, exactly those: a body that is longer is
    // data_loss, one that is cut is taken up again at the break. Content is not hashed here.
    void fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink, const std::stop_token& stop);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lade::registry
