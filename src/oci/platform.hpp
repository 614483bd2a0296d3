// SPDX-License-Identifier: Apache-2.0
// Platform specifiers (registry-and-unpack.md 1.5): parse, normalise, match.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lade::oci {

struct Platform {
    std::string os;
    std::string architecture;
    std::string variant;
    std::string os_version;
    std::vector<std::string> os_features;

    friend auto operator<=>(const Platform&, const Platform&) = default;
    friend bool operator==(const Platform&, const Platform&) = default;
};

// The platform lade was built for, normalised.
Platform host_platform();

// "os", "arch", "os/arch" or "os/arch/variant", with "(osversion+feature)" after the os; the result is
// normalised, so "linux/arm" and "linux/arm/v7" are equal. invalid_argument names the specifier.
Platform parse_platform(std::string_view specifier);

// Lower case, aliases resolved, default variants dropped (the table of 1.5).
Platform normalize(Platform platform);

// "os/arch[/variant]"; an empty os prints "unknown".
std::string to_string(const Platform& platform);

// What a wish accepts, best first (the fallback vectors of 1.5).
std::vector<Platform> fallbacks(const Platform& wish);

// True when `offer`, normalised, has exactly the wish's os, architecture and variant and needs no os
// feature beyond the wish's (and is of the wish's build, for windows). The wish must be normalised.
bool matches(const Platform& wish, const Platform& offer);

// The index into `offers` of what matches `wish` (normalised): the one that uses more os features, then the first;
// nullopt when none does. An offer without a platform is nullopt and never chosen here. For what is fetched or
// unpacked: nobody asks for one platform to be given another.
std::optional<std::size_t> exact_match(const Platform& wish, const std::vector<std::optional<Platform>>& offers);

// As exact_match() for each fallback of `wish` in turn: for what is only shown.
std::optional<std::size_t> best_match(const Platform& wish, const std::vector<std::optional<Platform>>& offers);

} // namespace lade::oci
