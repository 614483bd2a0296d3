// SPDX-License-Identifier: Apache-2.0
#include "registry/toml_file.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace lade::registry {

namespace {

std::string_view type_of(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "a list";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
    case toml::node_type::floating_point:
        return "a number";
    case toml::node_type::boolean:
        return "true or false";
    default:
        return "a date or time";
    }
}

// The table or the key of a line, as it is written there.
std::string named_on(std::string_view text, unsigned line) {
    for (unsigned before = 1; before < line; ++before)
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    text = trim(text.substr(0, text.find('\n')));
    return std::string(text.starts_with('[') ? text.substr(0, text.rfind(']') + 1)
                                             : trim(text.substr(0, text.find('='))));
}

// ", first in line N" when an earlier line is about the same.
std::string first_place(std::string_view text, unsigned line) {
    const std::string name = named_on(text, line);
    for (unsigned before = 1; before < line; ++before)
        if (named_on(text, before) == name)
            return cat(", first in line ", before);
    return "";
}

} // namespace

toml::table TomlFile::parse(std::string_view text) const {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        const toml::source_position& at = error.source().begin;
        // The parser garbles the names of keys in quotes.
        if (error.description().find("cannot redefine") != std::string_view::npos)
            refuse(at, printable(named_on(text, at.line)), " is there twice", first_place(text, at.line));
        refuse(at, printable(error.description()));
    }
}

const std::string& TomlFile::text(const toml::node& value, std::string_view what) const {
    const auto* const string = value.as_string();
    if (string == nullptr)
        refuse_type(value, what, "a string");
    return string->get();
}

std::vector<std::string> TomlFile::texts(const toml::node& value, std::string_view what) const {
    if (value.is_string())
        return {text(value, what)};
    const toml::array& parts = list(value, what, "a string or a list of strings");
    std::vector<std::string> all;
    all.reserve(parts.size());
    for (const toml::node& one : parts)
        all.push_back(text(one, cat("every part of ", what)));
    return all;
}

bool TomlFile::yes(const toml::node& value, std::string_view what) const {
    const auto* const boolean = value.as_boolean();
    if (boolean == nullptr)
        refuse_type(value, what, "true or false");
    return boolean->get();
}

const toml::table& TomlFile::table(const toml::node& value, std::string_view what) const {
    const toml::table* const found = value.as_table();
    if (found == nullptr)
        refuse_type(value, what, "a table");
    return *found;
}

const toml::array& TomlFile::list(const toml::node& value, std::string_view what, std::string_view wanted) const {
    const toml::array* const found = value.as_array();
    if (found == nullptr)
        refuse_type(value, what, wanted);
    return *found;
}

std::string TomlFile::place(const toml::source_position& position) const {
    return cat(printable(path_), ':', position.line);
}

void TomlFile::refuse_type(const toml::node& value, std::string_view what, std::string_view wanted) const {
    refuse(value.source().begin, what, " must be ", wanted, ", not ", type_of(value));
}

} // namespace lade::registry
