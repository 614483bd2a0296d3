// SPDX-License-Identifier: Apache-2.0
#include "registry/proxies.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "base/text.hpp"
#include "registry/url.hpp"

namespace lade::registry {

namespace {

constexpr int default_port = 1080; // libcurl's, of every kind of proxy but an https one

bool is_address(std::string_view host) {
    return host.starts_with('[') ||
           std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

// "socks5://user@host:port", "host:port" or "host".
bool is_at(std::string_view proxy, std::string_view address, int port) {
    int its_port = default_port;
    if (const std::size_t scheme = proxy.find("://"); scheme != std::string_view::npos) {
        if (lower(proxy.substr(0, scheme)) == "https")
            its_port = 443;
        proxy.remove_prefix(scheme + 3);
    }
    proxy = proxy.substr(0, proxy.find('/'));
    if (const std::size_t user = proxy.rfind('@'); user != std::string_view::npos)
        proxy.remove_prefix(user + 1);
    std::string_view host = proxy;
    if (const std::size_t colon = proxy.rfind(':'); colon != std::string_view::npos && !proxy.ends_with(']')) {
        host = proxy.substr(0, colon);
        its_port = static_cast<int>(parse_number(proxy.substr(colon + 1)).value_or(0));
    }
    if (its_port != port)
        return false;
    if (host.starts_with('[') && host.ends_with(']'))
        return host.substr(1, host.size() - 2) == address;
    if (is_address(host))
        return host == address;
    return !is_local_address(address) || is_loopback(host);
}

} // namespace

const char* find_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? nullptr : value;
}

bool is_proxy(std::string_view scheme, std::string_view address, int port) {
    static constexpr std::array<const char*, 2> of_http{"http_proxy", nullptr};
    static constexpr std::array<const char*, 2> of_https{"https_proxy", "HTTPS_PROXY"};
    static constexpr std::array<const char*, 2> of_all{"all_proxy", "ALL_PROXY"};
    const auto names_it = [&](const char* name) {
        const char* const proxy = name == nullptr ? nullptr : find_environment(name);
        return proxy != nullptr && is_at(proxy, address, port);
    };
    return std::ranges::any_of(scheme == "http" ? of_http : of_https, names_it) ||
           std::ranges::any_of(of_all, names_it);
}

} // namespace lade::registry
