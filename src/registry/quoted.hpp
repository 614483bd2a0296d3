// SPDX-License-Identifier: Apache-2.0
// The quoted strings of header fields (RFC 9110, 5.6.4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lade::registry {

// The text of the quoted string at the start of `rest`, which begins behind it afterwards. nullopt when there is none,
// or its closing quote is missing.
std::optional<std::string> take_quoted(std::string_view& rest);

} // namespace lade::registry
