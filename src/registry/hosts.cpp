// SPDX-License-Identifier: Apache-2.0
#include "registry/hosts.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::registry {

Host registry_of(std::string_view domain, const HostRules& rules) {
    const std::string_view contacted = domain == "docker.io" ? "registry-1.docker.io" : domain;
    const auto as_https = Url::parse(cat("https://", contacted, "/v2"));
    const auto as_http = Url::parse(cat("http://", contacted, "/v2"));
    if (!as_https || !as_http)
        throw Error(ErrorKind::invalid_argument, "registry \"", printable(domain), "\": not a host name");

    // Read as https, no port is 443.
    const bool local = is_loopback(as_https->host);
    const bool guess_http = local && as_https->port != 443;
    Host host{.base = rules.plain_http || guess_http ? *as_http : *as_https};
    host.verify = !rules.skip_verify && !local;
    host.try_https_too = guess_http && !rules.plain_http && as_https->port != 80;
    return host;
}

} // namespace lade::registry
