// SPDX-License-Identifier: Apache-2.0
#include "oci/derived_image.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/config_change.hpp"

namespace lade::oci {

namespace {

constexpr std::string_view docker_types = "application/vnd.docker.";

Json to_json(const Descriptor& descriptor) {
    return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.string()}, {"size", descriptor.size}};
}

Json manifest_of(std::string_view type, const Descriptor& config, Json layers) {
    return {{"schemaVersion", 2}, {"mediaType", type}, {"config", to_json(config)}, {"layers", std::move(layers)}};
}

// A member of the wrong type was refused when the image was read, or has no meaning to anybody.
Json& array_at(Json& object, const char* key) {
    Json& member = object[key];
    if (!member.is_array())
        member = Json::array();
    return member;
}

Json history_of(const Step& step) {
    Json entry{{"created", step.created}, {"created_by", step.created_by}};
    if (!step.author.empty())
        entry["author"] = step.author;
    if (!step.comment.empty())
        entry["comment"] = step.comment;
    return entry;
}

} // namespace

Documents empty_documents(const Platform& platform) {
    Json config{{"architecture", platform.architecture},
                {"os", platform.os},
                {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array()}}}};
    if (!platform.variant.empty())
        config["variant"] = platform.variant;
    if (!platform.os_version.empty())
        config["os.version"] = platform.os_version;
    if (!platform.os_features.empty())
        config["os.features"] = platform.os_features;
    return {.config = dump_json(config),
            .config_type = std::string(media_type::oci_config),
            .manifest = dump_json(Json{{"schemaVersion", 2}, {"mediaType", media_type::oci_manifest}}),
            .manifest_type = std::string(media_type::oci_manifest)};
}

std::string derive_config(std::string_view base, const Step& step, const DiffId& layer) {
    Json document = parse_object(base, "image config");
    document["created"] = step.created;
    if (!step.author.empty())
        document["author"] = step.author;
    // What docker says of the container that the base was made in.
    for (const char* member : {"container", "container_config", "id", "parent"})
        document.erase(member);
    Json& root = document["rootfs"];
    if (!root.is_object())
        root = {{"type", "layers"}};
    Json& diff_ids = array_at(root, "diff_ids");
    const bool is_told = document.contains("history") || diff_ids.empty();
    diff_ids.push_back(layer.string());
    // Of layers without a history nobody can say which one an entry is about.
    if (is_told)
        array_at(document, "history").push_back(history_of(step));
    if (!step.changes.empty()) {
        Json& config = document["config"];
        if (!config.is_object())
            config = Json::object();
        for (const std::string& change : step.changes)
            change_config(config, change);
    }
    return dump_json(document);
}

std::string derive_manifest(const Documents& base, const Descriptor& config, const Descriptor& layer,
                            const std::map<std::string, std::string>& annotations) {
    const Json old = parse_object(base.manifest, "manifest");
    Json layers = Json::array();
    if (const Json* below = find_array(old, "layers"))
        layers = *below;
    layers.push_back(to_json(layer));
    Json document = manifest_of(base.manifest_type, config, std::move(layers));
    if (!annotations.empty())
        document["annotations"] = annotations;
    return dump_json(document);
}

std::string make_manifest(std::string_view type, const Descriptor& config, const std::vector<Descriptor>& layers) {
    Json list = Json::array();
    std::ranges::transform(layers, std::back_inserter(list), to_json);
    return dump_json(manifest_of(type, config, std::move(list)));
}

std::string make_index(const std::vector<Descriptor>& manifests) {
    Json list = Json::array();
    for (const Descriptor& manifest : manifests) {
        Json item = to_json(manifest);
        if (manifest.platform) {
            item["platform"] = {{"os", manifest.platform->os}, {"architecture", manifest.platform->architecture}};
            if (!manifest.platform->variant.empty())
                item["platform"]["variant"] = manifest.platform->variant;
        }
        if (!manifest.annotations.empty())
            item["annotations"] = manifest.annotations;
        list.push_back(std::move(item));
    }
    return dump_json({{"schemaVersion", 2}, {"mediaType", media_type::oci_index}, {"manifests", std::move(list)}});
}

std::string retype_config(std::string_view manifest, std::string_view type) {
    Json document = parse_object(manifest, "manifest");
    document["config"]["mediaType"] = type;
    return dump_json(document);
}

std::string_view usual_layer_type(std::string_view manifest_type) noexcept {
    return manifest_type.starts_with(docker_types) ? media_type::docker_layer
                                                   : "application/vnd.oci.image.layer.v1.tar+gzip";
}

bool may_have_layer(std::string_view manifest_type, std::string_view layer_type) noexcept {
    return !manifest_type.starts_with(docker_types) || layer_type.starts_with(docker_types);
}

} // namespace lade::oci
