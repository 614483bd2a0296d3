// SPDX-License-Identifier: Apache-2.0
#include "oci/layout.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"

namespace lade::oci {

namespace layout {

std::string blob_path(const Digest& digest) {
    return cat("blobs/", digest.algorithm_name(), '/', digest.hex());
}

std::optional<Digest> find_blob(std::string_view path) {
    const std::vector<std::string> parts = split(path, '/');
    if (parts.size() != 3 || parts[0] != "blobs")
        return std::nullopt;
    return Digest::try_parse(cat(parts[1], ':', parts[2]));
}

} // namespace layout

namespace {

std::string find_annotation(const Descriptor& image, std::string_view key) {
    const auto found = image.annotations.find(std::string(key));
    return found == image.annotations.end() ? "" : found->second;
}

bool has_prefix(std::string_view name, std::string_view prefix) {
    return name.starts_with(prefix) && (name.size() == prefix.size() ||
                                        std::string_view("/:@").find(name[prefix.size()]) != std::string_view::npos);
}

// "" for none.
std::string find_name(const Descriptor& image, const NamingRules& rules) {
    if (std::string name = find_annotation(image, annotation::image_name); !name.empty())
        return name;
    std::string name = find_annotation(image, annotation::reference_name);
    if (name.empty() || name.find_first_of("/:@") == std::string::npos)
        return name.empty() ? name : cat(rules.prefix, ':', name);
    return rules.others || has_prefix(name, rules.prefix) ? name : "";
}

} // namespace

void check_layout(std::string_view text) {
    const Json document = parse_object(text, layout::marker);
    doing(layout::marker, [&] {
        if (const std::string version = get_string(document, "imageLayoutVersion"); version != layout::version)
            throw Error(ErrorKind::unimplemented, "image layout version ", printable(version), ", only ",
                        layout::version, " is known");
    });
}

std::vector<std::string> names_of(const Descriptor& image, const NamingRules& rules) {
    std::vector<std::string> names;
    if (const std::string name = find_name(image, rules); !name.empty())
        names.push_back(Reference::parse(name).string());
    if (rules.digests && (names.empty() || !rules.digests_of_unnamed))
        names.push_back(Reference::parse(cat(rules.prefix, '@', image.digest)).string());
    if (names.size() == 2 && names[0] == names[1])
        names.pop_back();
    return names;
}

} // namespace lade::oci
