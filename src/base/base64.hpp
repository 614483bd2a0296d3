// SPDX-License-Identifier: Apache-2.0
// Base64 as Basic authentication and docker's config.json use it, and base64url as signatures do (RFC 4648).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lade {

std::string base64_encode(std::string_view bytes);

// nullopt when the text is not base64; the padding may be missing.
std::optional<std::string> base64_decode(std::string_view text);
std::optional<std::string> base64url_decode(std::string_view text);

} // namespace lade
