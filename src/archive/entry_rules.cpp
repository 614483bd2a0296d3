// SPDX-License-Identifier: Apache-2.0
#include "archive/entry_rules.hpp"

#include "archive/root.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

constexpr std::string_view opaque_marker = ".wh..wh..opq";
constexpr std::string_view reserved_prefix = ".wh..wh.";

} // namespace

void check_entry(const Entry& entry, Budget& budget) {
    if (entry.name.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos)
        throw Error(ErrorKind::invalid_argument, "a name with a NUL");
    if ((entry.type == EntryType::symlink || entry.type == EntryType::hard_link) && entry.link.empty())
        throw Error(ErrorKind::invalid_argument, "a link to nothing");
    check_path(entry.name.size(), budget.limits());
    check_path(entry.link.size(), budget.limits());
    budget.take_bytes(entry.size);
}

void check_depth(std::size_t depth, const Limits& limits) {
    if (depth > limits.depth)
        throw Error(ErrorKind::resource_exhausted, "deeper than ", limits.depth, " directories");
}

void check_path(std::size_t size, const Limits& limits) {
    if (size > limits.path)
        throw Error(ErrorKind::resource_exhausted, "a path of more than ", limits.path, " bytes");
}

Whiteout parse_whiteout(const std::string& name) {
    if (name == opaque_marker)
        return {.kind = Whiteout::Kind::opaque, .name = {}};
    if (name.starts_with(reserved_prefix))
        return {};
    std::string hidden = name.substr(whiteout_prefix.size());
    if (hidden.empty() || hidden == "." || hidden == "..")
        throw Error(ErrorKind::invalid_argument, "a whiteout of nothing");
    check_component(hidden);
    return {.kind = Whiteout::Kind::one, .name = std::move(hidden)};
}

LinkTarget parse_link(const Entry& entry) {
    std::string_view link = entry.link;
    while (link.ends_with('/'))
        link.remove_suffix(1);
    const std::size_t slash = link.rfind('/');
    const std::string_view name = slash == std::string_view::npos ? link : link.substr(slash + 1);
    if (name.empty() || name == "." || name == "..")
        throw Error(ErrorKind::invalid_argument, "hard link to ", printable(entry.link), ", which is no file");
    check_component(name);
    return {.directory = slash == std::string_view::npos ? "" : std::string(link.substr(0, slash)),
            .name = std::string(name)};
}

bool is_false_whiteout(const Entry& entry) noexcept {
    return entry.type == EntryType::char_device && entry.major == 0 && entry.minor == 0;
}

} // namespace lade::archive
