// SPDX-License-Identifier: Apache-2.0
#include "oci/layout.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"

namespace lade::oci {

namespace layout {

std::string blob_path(const Digest& digest) {
    return cat(blobs, '/', digest.algorithm_name(), '/', digest.hex());
}

std::optional<Digest> find_blob(std::string_view path) {
    const std::vector<std::string> parts = split(path, '/');
    if (parts.size() != 3 || parts[0] != blobs)
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

// As both are written, or as they are in full: "app" is docker.io/library/app.
bool is_below(std::string_view name, std::string_view prefix) {
    const auto whole = Reference::try_parse(name);
    const auto above = Reference::try_parse(prefix);
    return has_prefix(name, prefix) || (whole && above && has_prefix(whole->string(), above->repository()));
}

// "" for none.
std::string find_name(const Descriptor& image, const NamingRules& rules) {
    if (std::string name = find_annotation(image, annotation::image_name); !name.empty())
        return name;
    std::string name = find_annotation(image, annotation::reference_name);
    if (name.empty() || name.find_first_of("/:@") == std::string::npos)
        return name.empty() ? name : cat(rules.prefix, ':', name);
    return rules.others || is_below(name, rules.prefix) ? name : "";
}

bool replaces(const Descriptor& added, const Descriptor& listed) {
    const std::string name = find_annotation(added, annotation::image_name);
    const std::string its_name = find_annotation(listed, annotation::image_name);
    if (name.empty())
        return its_name.empty() && listed.digest == added.digest;
    return its_name.empty() ? find_annotation(listed, annotation::reference_name) ==
                                  find_annotation(added, annotation::reference_name)
                            : its_name == name;
}

Json new_index() {
    return {{"schemaVersion", 2}, {"mediaType", media_type::oci_index}, {"manifests", Json::array()}};
}

std::string with(Json index, const std::vector<Descriptor>& images) {
    for (const Descriptor& image : images)
        index["manifests"].push_back(descriptor_json(image));
    return dump_json(index);
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

Json descriptor_json(const Descriptor& descriptor) {
    Json json{{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.string()}, {"size", descriptor.size}};
    if (descriptor.platform) {
        const Platform& platform = *descriptor.platform;
        json["platform"] = {{"os", platform.os}, {"architecture", platform.architecture}};
        if (!platform.variant.empty())
            json["platform"]["variant"] = platform.variant;
        if (!platform.os_version.empty())
            json["platform"]["os.version"] = platform.os_version;
        if (!platform.os_features.empty())
            json["platform"]["os.features"] = platform.os_features;
    }
    if (!descriptor.urls.empty())
        json["urls"] = descriptor.urls;
    if (!descriptor.annotations.empty())
        json["annotations"] = descriptor.annotations;
    if (!descriptor.artifact_type.empty())
        json["artifactType"] = descriptor.artifact_type;
    return json;
}

Descriptor named_image(const Descriptor& target, const std::string& name) {
    const auto reference = Reference::try_parse(name);
    Descriptor image{.media_type = target.media_type, .digest = target.digest, .size = target.size};
    image.annotations = {
        {std::string(annotation::image_name), name},
        {std::string(annotation::reference_name), reference && reference->tag() ? *reference->tag() : name}};
    return image;
}

std::string layout_index(const std::vector<Descriptor>& images) {
    return with(new_index(), images);
}

std::string add_to_layout_index(std::string_view current, const std::vector<Descriptor>& images) {
    const Index listed = parse_index(current, media_type::oci_index, layout::index);
    Json index = parse_json(current, layout::index);
    Json kept = Json::array();
    for (std::size_t i = 0; i < listed.manifests.size(); ++i)
        if (std::ranges::none_of(images, [&](const Descriptor& one) { return replaces(one, listed.manifests[i]); }))
            kept.push_back(index["manifests"][i]);
    index["manifests"] = std::move(kept);
    return with(std::move(index), images);
}

} // namespace lade::oci
