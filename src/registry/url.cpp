// SPDX-License-Identifier: Apache-2.0
#include "registry/url.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t max_url = 16 * kib;

std::uint16_t default_port(std::string_view scheme) {
    return scheme == "https" ? 443 : 80;
}

bool is_plain_host(std::string_view host) {
    if (host.starts_with('['))
        return host.size() > 3 && host.ends_with(']') &&
               host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdef:.") == std::string_view::npos;
    return !host.empty() && host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string_view::npos;
}

// Bytes that may not stand in a request line are escaped; servers do send spaces in Location.
std::string clean_target(std::string_view target) {
    std::string out;
    for (const char c : target.substr(0, target.find('#'))) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f)
            out.push_back(c);
        else
            out.append(percent_encode({&c, 1}));
    }
    return out;
}

std::string remove_dots(std::string_view path) {
    std::vector<std::string> kept;
    const std::vector<std::string> parts = split(path.substr(1), '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool last = i + 1 == parts.size();
        if (parts[i] == ".." && !kept.empty())
            kept.pop_back();
        if (parts[i] != ".." && parts[i] != ".")
            kept.push_back(parts[i]);
        else if (last)
            kept.emplace_back();
    }
    std::string clean("/");
    clean += join(kept, "/");
    return clean;
}

} // namespace

std::optional<Url> Url::parse(std::string_view text) {
    const std::size_t colon = text.find("://");
    if (text.size() > max_url || colon == std::string_view::npos)
        return std::nullopt;
    Url url;
    url.scheme = lower(text.substr(0, colon));
    if (url.scheme != "http" && url.scheme != "https")
        return std::nullopt;
    const std::string_view rest = text.substr(colon + 3);
    const std::size_t end = rest.find_first_of("/?#");
    std::string_view authority = rest.substr(0, end);
    // Readers of URLs disagree whether this ends a host; here it ends the reading.
    if (authority.find('\\') != std::string_view::npos)
        return std::nullopt;
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos)
        authority.remove_prefix(at + 1);
    const std::size_t port_at = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    url.host = lower(authority.substr(0, port_at));
    url.port = default_port(url.scheme);
    if (port_at != std::string_view::npos && port_at + 1 < authority.size()) {
        const auto number = parse_number(authority.substr(port_at + 1));
        if (!number || *number == 0 || *number > 65535)
            return std::nullopt;
        url.port = static_cast<std::uint16_t>(*number);
    }
    if (!is_plain_host(url.host))
        return std::nullopt;
    if (end != std::string_view::npos)
        url.target = clean_target(rest.substr(end));
    if (!url.target.starts_with('/'))
        url.target.insert(0, 1, '/');
    return url;
}

std::optional<Url> Url::resolve(std::string_view location) const {
    const std::size_t special = location.find_first_of(":/?#");
    if (special != std::string_view::npos && location[special] == ':')
        return parse(location);
    if (location.starts_with("//"))
        return parse(cat(scheme, ':', location));
    if (location.size() > max_url)
        return std::nullopt;
    Url url = *this;
    const std::string text = clean_target(location);
    const std::string path = target.substr(0, target.find('?'));
    if (text.empty())
        return url;
    if (text.starts_with('?')) {
        url.target = path + text;
        return url;
    }
    const std::size_t query = text.find('?');
    const std::string base = text.starts_with('/') ? "" : path.substr(0, path.rfind('/') + 1);
    url.target = remove_dots(base + text.substr(0, query));
    if (query != std::string::npos)
        url.target += text.substr(query);
    return url;
}

std::string Url::authority() const {
    return port == default_port(scheme) ? host : cat(host, ':', port);
}

std::string Url::string() const {
    return cat(scheme, "://", authority(), target);
}

std::string Url::shown() const {
    const std::string text = string();
    return printable(text.substr(0, text.find('?')));
}

bool Url::same_origin(const Url& other) const noexcept {
    return scheme == other.scheme && host == other.host && port == other.port;
}

namespace {

struct Address {
    in6_addr v6{};
    std::optional<std::uint32_t> v4; // also of one that is mapped into the other kind
};

std::optional<Address> read_address(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']'))
        text = text.substr(1, text.size() - 2);
    const std::string whole(text);
    Address address;
    in_addr v4{};
    if (::inet_pton(AF_INET6, whole.c_str(), &address.v6) == 1) {
        if (!IN6_IS_ADDR_V4MAPPED(&address.v6))
            return address;
        std::copy_n(&address.v6.s6_addr[12], 4, reinterpret_cast<unsigned char*>(&v4.s_addr));
    } else if (::inet_aton(whole.c_str(), &v4) == 0) {
        return std::nullopt;
    }
    address.v4 = ntohl(v4.s_addr);
    return address;
}

} // namespace

bool is_loopback(std::string_view host) {
    in_addr v4{};
    return host == "localhost" || host == "[::1]" ||
           (::inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24U) == 127);
}

bool is_local_address(std::string_view text) {
    const auto address = read_address(text);
    if (!address)
        return false;
    if (!address->v4)
        return IN6_IS_ADDR_LOOPBACK(&address->v6) || IN6_IS_ADDR_UNSPECIFIED(&address->v6) ||
               IN6_IS_ADDR_LINKLOCAL(&address->v6);
    const std::uint32_t number = *address->v4;
    return (number >> 24U) == 127 || (number >> 24U) == 0 || (number >> 16U) == 0xa9fe;
}

bool is_private_address(std::string_view text) {
    const auto address = read_address(text);
    if (!address)
        return false;
    if (!address->v4)
        return (address->v6.s6_addr[0] & 0xfeU) == 0xfc;
    const std::uint32_t number = *address->v4;
    return (number >> 24U) == 10 || (number >> 20U) == 0xac1 || (number >> 16U) == 0xc0a8 || (number >> 22U) == 0x191;
}

std::string percent_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
            c == '_' || c == '~')
            out.push_back(c);
        else
            out.append("%").append(hex(&byte, 1));
    }
    return out;
}

} // namespace lade::registry
