// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::registry {

namespace {

bool is_address(std::string_view host) {
    return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// "example.org" of "a.b.example.org". Below a country's domain a short label is mostly the registrar's (co.uk, com.br).
std::string site_of(std::string_view host) {
    static constexpr std::array<std::string_view, 3> docker{"docker.io", "docker.com", "dhi.io"};
    constexpr std::size_t country = 2;
    constexpr std::size_t short_label = 3;
    const std::vector<std::string> labels = split(lower(host), '.');
    const std::size_t count = labels.size();
    if (is_address(host) || count < 2)
        return lower(host);
    const bool is_below_country = labels[count - 1].size() == country && labels[count - 2].size() <= short_label;
    const std::size_t kept = std::min<std::size_t>(count, is_below_country && count > 2 ? 3 : 2);
    std::string site = join({labels.end() - static_cast<std::ptrdiff_t>(kept), labels.end()}, ".");
    return std::ranges::find(docker, site) != docker.end() ? std::string(docker.front()) : site;
}

} // namespace

Credentials parse_user(std::string_view text) {
    const std::size_t colon = text.find(':');
    Credentials credentials{.user = std::string(text.substr(0, colon)), .secret = {}, .registry_token = {}};
    if (colon != std::string_view::npos)
        credentials.secret = text.substr(colon + 1);
    if (credentials.user.empty() && credentials.secret.empty())
        throw Error(ErrorKind::invalid_argument, "user[:password] is empty");
    return credentials;
}

bool is_hub(std::string_view registry) {
    return registry == "docker.io" || registry == "index.docker.io" || registry == "registry-1.docker.io";
}

bool same_site(std::string_view host, std::string_view other) {
    return site_of(host) == site_of(other);
}

} // namespace lade::registry
