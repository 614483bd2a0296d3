// SPDX-License-Identifier: Apache-2.0
// From the domain of a reference to the hosts that are asked for it, in order
// (registry-and-unpack.md 2.1, 2.2). Today that is the registry itself; mirrors (hosts.toml) will stand
// before it in the same list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/url.hpp"

namespace lade::registry {

struct Capabilities {
    bool pull = true;    // content by digest
    bool resolve = true; // a tag to its digest
};

struct Host {
    Url base; // target is the API's root, "/v2"
    Capabilities capabilities{};
    bool verify = true;         // its certificate
    bool is_registry = true;    // the reference's own registry: the only one that may see its credentials
    bool try_https_too = false; // http is a guess; the server may turn out to speak TLS
};

struct HostRules {
    bool plain_http = false;
    bool skip_verify = false;
};

// Never empty; the last one is the registry itself. docker.io is contacted as registry-1.docker.io. On
// loopback any port but 443 is spoken to in http first, and certificates are not verified: the
// bytes do not leave the machine. invalid_argument when the domain is no host.
std::vector<Host> hosts_for(std::string_view domain, const HostRules& rules);

} // namespace lade::registry
