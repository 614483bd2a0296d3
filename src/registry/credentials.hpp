// SPDX-License-Identifier: Apache-2.0
// Where credentials come from: the command line or docker's config.json (registry-and-unpack.md 2.8).
// A credential belongs to one registry host and is never handed out for another (safety.md 4.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lade::registry {

struct Credentials {
    std::string user; // empty: `secret` is an identity (refresh) token
    std::string secret;
    std::string registry_token; // sent as the bearer token as it is; user and secret are empty then
};

// "user[:pass]".
Credentials parse_user(std::string_view text);

// The entry for a registry ("docker.io", "localhost:5000") in ${DOCKER_CONFIG:-~/.docker}/config.json;
// nullopt when there is no file or no entry. A file that cannot be parsed is invalid_argument naming it.
std::optional<Credentials> find_docker_credentials(std::string_view registry);

// The configuration's path when it says that a credential helper is to be asked for this registry, which nobody does
// here yet: whoever is refused should learn why.
std::optional<std::string> find_docker_helper(std::string_view registry);

} // namespace lade::registry
