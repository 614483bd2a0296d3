// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/runtime_spec.hpp"

namespace lade::oci {

namespace {

std::optional<std::uint32_t> parse_id(std::string_view text) {
    const auto number = parse_number(text);
    if (!number || *number > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

// The fields of the lines that have as many as they should; others are passed over, as libc does it.
std::vector<std::vector<std::string>> entries(std::string_view text, std::size_t fields) {
    std::vector<std::vector<std::string>> all;
    for (const std::string& line : split(text, '\n'))
        if (auto parts = split(line, ':'); parts.size() >= fields)
            all.push_back(std::move(parts));
    return all;
}

std::uint32_t group_id(const std::string& name, std::string_view group) {
    if (const auto id = parse_id(name))
        return *id;
    for (const auto& entry : entries(group, 3))
        if (const auto id = parse_id(entry[2]); id && entry[0] == name)
            return *id;
    throw Error(ErrorKind::not_found, "group \"", printable(name), "\" is not in the image's /etc/group");
}

} // namespace

User resolve_user(std::string_view text, std::string_view passwd, std::string_view group) {
    const std::size_t colon = text.find(':');
    const std::string wanted(text.substr(0, colon));
    const auto number = parse_id(wanted);
    User user{.id = number.value_or(0), .group = 0, .groups = {}};
    std::string name = wanted.empty() ? "root" : "";
    bool known = number || wanted.empty();
    for (const auto& entry : entries(passwd, 4)) {
        const auto id = parse_id(entry[2]);
        const auto own_group = parse_id(entry[3]);
        if (!id || !own_group || !(number || wanted.empty() ? *id == user.id : entry[0] == wanted))
            continue;
        user.id = *id;
        user.group = *own_group;
        name = entry[0];
        known = true;
        break;
    }
    if (!known)
        throw Error(ErrorKind::not_found, "user \"", printable(wanted), "\" is not in the image's /etc/passwd");
    if (colon != std::string_view::npos)
        user.group = group_id(std::string(text.substr(colon + 1)), group);
    user.groups.push_back(user.group);
    for (const auto& entry : entries(group, 4)) {
        const std::vector<std::string> members = split(entry[3], ',');
        const auto id = parse_id(entry[2]);
        if (id && !name.empty() && std::ranges::find(members, name) != members.end() &&
            std::ranges::find(user.groups, *id) == user.groups.end())
            user.groups.push_back(*id);
    }
    return user;
}

} // namespace lade::oci
