// SPDX-License-Identifier: Apache-2.0
// From an HTTP status to an Error: kind, and the registry's own words from the JSON body.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/http.hpp"

namespace lade::registry {

// "503 Service Unavailable"; the words are ours, never the server's.
std::string status_text(int status);

// The `errors` of a registry's JSON, "CODE: message" joined by "; "; "" when there are none.
std::string error_text(std::string_view body);

// Their codes, as the distribution specification has them.
std::vector<std::string> error_codes(std::string_view body);

// What 401 and 403 mean when an image is asked for.
inline constexpr std::string_view denied_meaning = "pull access denied, the repository may not exist or needs a login";

// What they mean when credentials were shown.
inline constexpr std::string_view refused_meaning = "the credentials are not accepted";

// Throws Transient for 408, 429, 500, 502, 503 and 504.
void throw_if_transient(const Request& request, const Response& response);

// Throws the error of any status that is not 2xx. 401 is unauthenticated, 403 permission_denied, 404
// not_found, 5xx unavailable, the rest failed_precondition. `denied` says what 401 and 403 mean here.
[[noreturn]] void throw_status(const Request& request, const Response& response, std::string_view denied);

} // namespace lade::registry
