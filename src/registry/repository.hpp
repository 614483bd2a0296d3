// SPDX-License-Identifier: Apache-2.0
// One repository on its registry and the mirrors of that: the only thing the floors above ask a registry for
// (registry-and-unpack.md 2, safety.md 4). Hosts are asked in order until one has what is wanted; one that was out of
// reach is asked last from then on. The error of several is chosen as walk.hpp says, and names them all. Safe to use
// from several threads at once; they share connections and tokens.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/program.hpp"
#include "base/size.hpp"
#include "base/stream.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/account.hpp"
#include "registry/credentials.hpp"
#include "registry/hosts.hpp"

namespace lade::registry {

// Whether and how a large blob is fetched by several requests at once.
struct Chunks {
    std::uint64_t size = 8 * mib; // of each request
    unsigned at_once = 4;         // requests for one blob; 1 for never
    bool always = false;          // for every blob that is larger than a chunk; else where it pays (ranged_fetch.hpp)
};

struct Options {
    bool plain_http = false;  // speak http to a registry that is not on loopback
    bool skip_verify = false; // do not verify the registry's certificate
    std::string ca;           // HostRules::ca and client
    std::optional<ClientPair> client;
    std::optional<Credentials> credentials; // -u: for the reference's own registry only
    unsigned retries = 5;                   // further attempts after the first, on each host
    std::string hosts_dir;                  // where hosts.toml is looked for; "" for containerd's and docker's places
    // How long a connection may take, and then the reply's header; else 30 s (300 s for the end of an upload), and what
    // hosts.toml says of connections.
    std::optional<std::chrono::milliseconds> timeout;
    std::chrono::milliseconds stall_timeout{30'000}; // without one byte of a body
    Chunks chunks{};
    AskProgram ask_program = lade::ask_program; // runs credential helpers
    bool foreign_layers = false; // fetch layers from the URLs that name them, where the registry has them not
    Tell warn{};                 // what people should know: of the configuration, and from hosts (notices.hpp)
    Tell trace{};                // what is asked and answered, for people
};

class Repository {
public:
    // Makes no request. Reads hosts.toml and the certificates it names (hosts_dir.hpp). Where none are given,
    // credentials are looked for (keyring.hpp) when a host wants some.
    Repository(const oci::Reference& reference, const Options& options);
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
    // data_loss, one that is cut is taken up again at the break. Content is not hashed here. failed_precondition: a
    // layer that no host has, only the URLs in its descriptor, and those were not asked for.
    // They may come in several requests at once (Chunks), of which all fetches of a repository make so many less one
    // beyond one each; the sink gets them in order and from the calling thread.
    void fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink, const std::stop_token& stop);

    // The documents that have this content for a subject (2.11), of that artifact type unless it is "". Empty when
    // nobody knows of any; a host that has none leads on to the next.
    std::vector<oci::Descriptor> referrers(const oci::Digest& subject, const std::string& artifact_type,
                                           const std::stop_token& stop);

    // After fetch(), when the bytes do not have that digest: who is to blame, and is not asked for them again.
    struct Blamed {
        std::string host; // e.g. "http://mirror:5000"; "" when nobody sent any
        bool others;      // whether somebody is left to ask
    };
    Blamed blame(const oci::Digest& digest);
    // Whether there is more than one host.
    bool has_mirrors() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lade::registry
