// SPDX-License-Identifier: Apache-2.0
// The hosts that are asked for the images of a domain (registry-and-unpack.md 2.1, 2.2). Without a configuration that
// is the registry itself; hosts_dir.hpp puts mirrors before it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/http.hpp"
#include "registry/url.hpp"

namespace lade::registry {

struct Capabilities {
    bool pull = true;    // content by digest
    bool resolve = true; // a tag to its digest
    bool push = true;
    bool referrers = true;
};

struct Host {
    Url base; // target is the API's root, "/v2"; "/" when it has none
    Capabilities capabilities{};
    bool verify = true;         // its certificate
    bool is_registry = true;    // the reference's own registry: the only one that may see its credentials
    bool try_https_too = false; // http is a guess; the server may turn out to speak TLS

    std::string name_space{}; // the domain, for a host of another name: it is told with each request
    std::vector<std::string> ca{};
    std::vector<ClientPair> client{};
    std::vector<std::string> headers{}; // "Name: value" of every request; they may be secrets
    std::optional<std::chrono::milliseconds> dial_timeout{};
    std::string source{}; // "FILE:LINE" or the directory that says so; "" when nothing does

    // What `ca` and `client` come to: for the host itself; and for where it sends us (redirects, token servers), which
    // is trusted by the same roots but shown no certificate of ours. Null when there is nothing to say.
    std::shared_ptr<const Tls> tls{};
    std::shared_ptr<const Tls> onward_tls{};
};

struct HostRules {
    bool plain_http = false;
    bool skip_verify = false;
    std::string ca{};                   // a file of roots that are trusted in place of all others
    std::optional<ClientPair> client{}; // in place of any other
};

// The registry itself. docker.io is contacted as registry-1.docker.io. On loopback any port but 443 is spoken to in
// http first, and certificates are not verified: the bytes do not leave the machine. invalid_argument when the
// domain is no host.
Host registry_of(std::string_view domain, const HostRules& rules);

} // namespace lade::registry
