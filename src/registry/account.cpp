// SPDX-License-Identifier: Apache-2.0
#include "registry/account.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "registry/http.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t longest_value = 200;

std::optional<std::string> find_either(const Response& response, const std::string& name) {
    for (const char* prefix : {"", "x-"})
        if (const auto value = response.find(cat(prefix, name)); value && !trim(*value).empty())
            return printable(trim(*value).substr(0, longest_value));
    return std::nullopt;
}

// "100;w=21600" is 100 in six hours.
struct Quota {
    std::string count;
    std::string window;
};

std::string window_text(std::uint64_t seconds) {
    constexpr std::uint64_t hour = 3600;
    constexpr std::uint64_t minute = 60;
    if (seconds % hour == 0)
        return cat(seconds / hour, 'h');
    return seconds % minute == 0 ? cat(seconds / minute, 'm') : cat(seconds, 's');
}

Quota parse_quota(const std::string& text) {
    const std::vector<std::string> parts = split(text, ';');
    Quota quota{.count = std::string(trim(parts.front())), .window = {}};
    for (const std::string& part : parts)
        if (trim(part).starts_with("w="))
            if (const auto seconds = parse_number(trim(part).substr(2)); seconds && *seconds > 0)
                quota.window = window_text(*seconds);
    return quota;
}

} // namespace

std::string rate_limit_text(const Response& response) {
    const auto limit = find_either(response, "ratelimit-limit");
    const auto remaining = find_either(response, "ratelimit-remaining");
    std::vector<std::string> parts;
    if (remaining || limit) {
        const Quota left = parse_quota(remaining.value_or("?"));
        const Quota all = parse_quota(limit.value_or("?"));
        const std::string& window = all.window.empty() ? left.window : all.window;
        parts.push_back(cat(left.count, " of ", all.count, " left", window.empty() ? "" : cat(" per ", window)));
    } else if (const auto policy = find_either(response, "ratelimit")) {
        parts.push_back(*policy);
    }
    if (parts.empty())
        return "";
    if (const auto reset = find_either(response, "ratelimit-reset"))
        parts.push_back(cat("reset ", *reset));
    if (const auto source = response.find("docker-ratelimit-source"))
        parts.push_back(cat("counted for ", printable(source->substr(0, longest_value))));
    return join(parts, ", ");
}

void Account::add(const Request& request, const Response& response) {
    if (!tell_)
        return;
    tell_(cat(describe(request), ": ", status_text(response.status)));
    const std::string limit = rate_limit_text(response);
    if (limit.empty())
        return;
    const std::string host = request.url.authority();
    {
        const std::scoped_lock lock(mutex_);
        if (std::exchange(limits_[host], limit) == limit)
            return;
    }
    tell_(cat("rate limit of ", host, ": ", limit));
}

void Account::add(const Error& error) const {
    if (tell_ && error.kind() != ErrorKind::cancelled)
        tell_(error.message());
}

} // namespace lade::registry
