// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

constexpr int max_depth = 64;

const Json* find_member(const Json& object, std::string_view key) {
    if (!object.is_object())
        throw Error(ErrorKind::invalid_argument, "an object with \"", key, "\" was expected");
    const auto member = object.find(std::string(key));
    return member == object.end() || member->is_null() ? nullptr : &*member;
}

[[noreturn]] void wrong_type(std::string_view key, std::string_view wanted) {
    throw Error(ErrorKind::invalid_argument, "\"", key, "\" is not ", wanted);
}

} // namespace

Json parse_json(std::string_view text, std::string_view what) {
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
        if (depth > max_depth)
            throw Error(ErrorKind::invalid_argument, what, ": nested deeper than ", max_depth);
        if (event == Json::parse_event_t::object_start)
            keys.emplace_back();
        else if (event == Json::parse_event_t::object_end)
            keys.pop_back();
        else if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
            throw Error(ErrorKind::invalid_argument, what, ": duplicate key \"", printable(value.get<std::string>()),
                        "\"");
        return true;
    };
    try {
        return Json::parse(text, watch);
    } catch (const Json::exception& error) {
        // Behind the library's own "[json.exception.parse_error.101] ".
        const std::string_view text_of = error.what();
        const std::size_t end = text_of.find("] ");
        throw Error(ErrorKind::invalid_argument, what,
                    ": not valid JSON: ", printable(end == std::string_view::npos ? text_of : text_of.substr(end + 2)));
    }
}

Json parse_object(std::string_view text, std::string_view what) {
    Json object = parse_json(text, what);
    if (!object.is_object())
        throw Error(ErrorKind::invalid_argument, what, ": not a JSON object");
    return object;
}

std::optional<std::string> find_string(const Json& object, std::string_view key) {
    const Json* member = find_member(object, key);
    if (member == nullptr)
        return std::nullopt;
    if (!member->is_string())
        wrong_type(key, "a string");
    return member->get<std::string>();
}

std::optional<std::int64_t> find_integer(const Json& object, std::string_view key) {
    const Json* member = find_member(object, key);
    if (member == nullptr)
        return std::nullopt;
    if (!member->is_number_integer() || (member->is_number_unsigned() && member->get<std::uint64_t>() > INT64_MAX))
        wrong_type(key, "an integer");
    return member->get<std::int64_t>();
}

const Json* find_array(const Json& object, std::string_view key) {
    const Json* member = find_member(object, key);
    if (member != nullptr && !member->is_array())
        wrong_type(key, "an array");
    return member;
}

const Json* find_object(const Json& object, std::string_view key) {
    const Json* member = find_member(object, key);
    if (member != nullptr && !member->is_object())
        wrong_type(key, "an object");
    return member;
}

std::string get_string(const Json& object, std::string_view key) {
    auto text = find_string(object, key);
    if (!text)
        throw Error(ErrorKind::invalid_argument, "\"", key, "\" is missing");
    return *std::move(text);
}

std::string dump_json(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

} // namespace lade
