// SPDX-License-Identifier: Apache-2.0
#include "oci/conversion.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

// docker's, and OCI's.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> layer_families{{
    {"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar"},
}};

// Annotations that say where in these very bytes what is to be found.
constexpr std::array<std::string_view, 4> about_bytes{"containerd.io/snapshot/stargz/", "io.containers.estargz.",
                                                      "io.containers.zstd-chunked.",
                                                      "io.github.containers.zstd-chunked."};

// "gzip" of "<stem>+gzip"; nullopt: the type is of another family.
std::optional<std::string_view> suffix_of(std::string_view type, std::string_view stem, char separator) {
    if (!type.starts_with(stem))
        return std::nullopt;
    type.remove_prefix(stem.size());
    if (type.empty())
        return type;
    return type.front() == separator ? std::optional(type.substr(1)) : std::nullopt;
}

std::string with_suffix(std::string_view stem, char separator, std::string_view suffix) {
    return suffix.empty() ? std::string(stem) : cat(stem, separator, suffix);
}

void set(Json& descriptor, const Child& child) {
    const bool other = descriptor["digest"] != child.digest.string();
    descriptor["mediaType"] = child.media_type;
    descriptor["digest"] = child.digest.string();
    descriptor["size"] = child.size;
    if (other) {
        descriptor.erase("urls");
        descriptor.erase("data");
        if (const auto annotations = descriptor.find("annotations"); annotations != descriptor.end()) {
            for (auto one = annotations->begin(); one != annotations->end();)
                if (std::ranges::any_of(about_bytes,
                                        [&](std::string_view stem) { return one.key().starts_with(stem); }))
                    one = annotations->erase(one);
                else
                    ++one;
            if (annotations->empty())
                descriptor.erase("annotations");
        }
    }
    for (const auto& [key, value] : child.annotations)
        descriptor["annotations"][key] = value;
}

// An OCI document need not say its type; docker's must.
void set_type(Json& document, std::string_view type) {
    if (document.contains("mediaType"))
        document["mediaType"] = type;
}

std::string text_of(const Json& document, const Json& before, std::string_view text) {
    return document == before ? std::string(text) : dump_json(document);
}

} // namespace

std::string oci_type(std::string_view type) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> documents{{
        {media_type::docker_index, media_type::oci_index},
        {media_type::docker_manifest, media_type::oci_manifest},
        {media_type::docker_config, media_type::oci_config},
    }};
    for (const auto& [docker, oci] : documents)
        if (type == docker)
            return std::string(oci);
    for (const auto& [docker, oci] : layer_families)
        if (const auto suffix = suffix_of(type, docker, '.'))
            return with_suffix(oci, '+', *suffix);
    return std::string(type);
}

std::string layer_type(std::string_view type, std::string_view compression) {
    for (const auto& [docker, oci] : layer_families) {
        if (suffix_of(type, docker, '.'))
            return with_suffix(docker, '.', compression);
        if (suffix_of(type, oci, '+'))
            return with_suffix(oci, '+', compression);
    }
    throw Error(ErrorKind::unimplemented, "layers of type ", printable(type), " are not known here");
}

std::string convert_config(std::string_view config, const std::vector<DiffId>& diff_ids) {
    Json document = parse_object(config, "image config");
    Json list = Json::array();
    for (const DiffId& id : diff_ids)
        list.push_back(id.string());
    if (diff_ids.empty() || document["rootfs"]["diff_ids"] == list)
        return std::string(config);
    document["rootfs"]["diff_ids"] = std::move(list);
    for (const char* member : {"config", "container_config"})
        if (const auto part = document.find(member); part != document.end() && part->is_object())
            if (const auto image = part->find("Image"); image != part->end())
                *image = "";
    return dump_json(document);
}

std::string convert_manifest(std::string_view manifest, std::string_view type, const Child& config,
                             const std::vector<Child>& layers) {
    const Json before = parse_object(manifest, "manifest");
    Json document = before;
    set_type(document, type);
    set(document["config"], config);
    for (std::size_t i = 0; i < layers.size(); ++i)
        set(document["layers"][i], layers[i]);
    return text_of(document, before, manifest);
}

std::string convert_index(std::string_view index, std::string_view type,
                          const std::vector<std::optional<Child>>& manifests) {
    const Json before = parse_object(index, "index");
    Json document = before;
    set_type(document, type);
    Json kept = Json::array();
    for (std::size_t i = 0; i < manifests.size(); ++i)
        if (manifests[i]) {
            set(document["manifests"][i], *manifests[i]);
            kept.push_back(std::move(document["manifests"][i]));
        }
    document["manifests"] = std::move(kept);
    return text_of(document, before, index);
}

} // namespace lade::oci
