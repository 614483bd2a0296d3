// SPDX-License-Identifier: Apache-2.0
// What reading and writing files of credentials have in common: their text, and whose the keys of `auths` are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/size.hpp"

namespace lade::registry {

// docker's key for docker.io.
inline constexpr std::string_view hub_key = "https://index.docker.io/v1/";

// More is no file of credentials.
inline constexpr std::size_t max_auth_file = 4 * mib;

// The file's text; "" when it is absent or this user may not look at it.
std::string read_auth_text(const std::string& path);

// invalid_argument for anything but one JSON object, without a word of the text; an empty text is an object.
Json parse_secret_object(const std::string& text);

// The host that a key stands for, in lower case: of "https://host:port/anything", "host:port" and "host/v2/". "" for
// the key of a namespace, "host/user".
std::string host_of_key(std::string_view key);

// Whether the key stands for this host; docker.io has several names.
bool is_key_of(std::string_view key, std::string_view registry);

} // namespace lade::registry
