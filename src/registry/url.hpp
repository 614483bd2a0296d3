// SPDX-License-Identifier: Apache-2.0
// Absolute http and https URLs, read strictly and put together again from their parts: what is compared
// here (whom a credential belongs to) is exactly what is connected to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lade::registry {

struct Url {
    std::string scheme; // "http" or "https"
    std::string host;   // lower case; an IPv6 address in brackets
    std::uint16_t port = 0;
    std::string target = "/"; // path and query

    // nullopt for anything but http(s) with a plain host. User info and fragment are dropped.
    static std::optional<Url> parse(std::string_view text);
    // What a Location header at this URL points to; nullopt as parse().
    std::optional<Url> resolve(std::string_view location) const;

    std::string string() const;
    // "host" or "host:port": the port is left out where the scheme implies it.
    std::string authority() const;
    // For messages: without the query, which may carry a signature.
    std::string shown() const;
    bool same_origin(const Url& other) const noexcept;
};

// "localhost", 127.0.0.0/8 or [::1]: as written, nothing is looked up.
bool is_loopback(std::string_view host);

// An address literal of this machine or this link (loopback, unspecified, link-local), in any spelling a
// resolver takes; brackets around it are allowed. False for names.
bool is_local_address(std::string_view address);

// The same of a private network (RFC 1918, RFC 6598, RFC 4193).
bool is_private_address(std::string_view address);

// For a query or a form: everything but letters, digits and -._~ becomes %XX.
std::string percent_encode(std::string_view text);

} // namespace lade::registry
