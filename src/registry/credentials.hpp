// SPDX-License-Identifier: Apache-2.0
// What opens a registry host. A credential belongs to one host and is never handed out for another (safety.md 4.1).
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

namespace lade::registry {

struct Credentials {
    std::string user; // empty: `secret` is an identity (refresh) token
    std::string secret;
    std::string registry_token; // sent as the bearer token as it is; user and secret are empty then

    bool operator==(const Credentials&) const = default;

    static Credentials of_identity_token(std::string token) {
        return {.user = {}, .secret = std::move(token), .registry_token = {}};
    }
};

// "user[:pass]".
Credentials parse_user(std::string_view text);

// Where the credentials of one host are to be had. Asked when the host wants some, and not before; any thread.
struct KeySource {
    // Its own.
    std::function<std::optional<Credentials>(const std::stop_token& stop)> own;
    // Of another host ("auth.example:444"), to learn whether they are the same.
    std::function<std::optional<Credentials>(const std::string& registry, const std::stop_token& stop)> of;
};

// docker.io under any of its names.
bool is_hub(std::string_view registry);

// Whether two hosts are names of one owner: equal, addresses too, or names with the same registered end as far as that
// can be told without a list of all registrars (example.org, example.co.uk). docker's own domains are one site.
bool same_site(std::string_view host, std::string_view other);

} // namespace lade::registry
