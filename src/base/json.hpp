// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON that strangers wrote (safety.md 3.2): depth at most 64, duplicate keys refused,
// key case matters. Getters name the member they could not use. Writing is plain nlohmann::json.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lade {

using Json = nlohmann::json;

// Error invalid_argument with `what` and the position when the text is not one JSON value as above.
Json parse_json(std::string_view text, std::string_view what);
// The same when it is no object.
Json parse_object(std::string_view text, std::string_view what);

// Members of an object. An absent or null member is nullopt; one of another type is invalid_argument.
std::optional<std::string> find_string(const Json& object, std::string_view key);
std::optional<std::int64_t> find_integer(const Json& object, std::string_view key);
const Json* find_array(const Json& object, std::string_view key);
const Json* find_object(const Json& object, std::string_view key);
// As find_string, but absence is invalid_argument too.
std::string get_string(const Json& object, std::string_view key);

// Compact, or indented by `indent` spaces; bytes that are no UTF-8 are replaced, never thrown on.
std::string dump_json(const Json& value, int indent = -1);

} // namespace lade
