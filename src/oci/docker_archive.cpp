// SPDX-License-Identifier: Apache-2.0
#include "oci/docker_archive.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "oci/layout.hpp"
#include "oci/reference.hpp"
#include "oci/schema1.hpp"

namespace lade::oci {

namespace {

constexpr std::size_t max_entries = 1000;

void check_count(std::size_t count, std::string_view what) {
    if (count > max_entries)
        throw Error(ErrorKind::resource_exhausted, count, ' ', what, ", at most ", max_entries, " are allowed");
}

std::vector<std::string> read_strings(const Json& object, std::string_view key) {
    std::vector<std::string> strings;
    const Json* array = find_array(object, key);
    if (array == nullptr)
        return strings;
    check_count(array->size(), key);
    for (const Json& item : *array) {
        if (!item.is_string())
            throw Error(ErrorKind::invalid_argument, "\"", key, "\" holds something that is not a string");
        strings.push_back(item.get<std::string>());
    }
    return strings;
}

void check_id(std::string_view id) {
    if (id.size() != 64 || id.find_first_not_of("0123456789abcdef") != std::string_view::npos)
        throw Error(ErrorKind::invalid_argument, '"', printable(id), "\" is no layer ID");
}

DockerImage read_image(const Json& item) {
    if (!item.is_object())
        throw Error(ErrorKind::invalid_argument, "not an object");
    DockerImage image{.config = get_string(item, "Config"), .names = {}, .layers = read_strings(item, "Layers")};
    for (const std::string& tag : read_strings(item, "RepoTags"))
        image.names.push_back(Reference::parse(tag).string());
    return image;
}

bool same_files(const DockerImage& one, const DockerImage& other) {
    return one.config == other.config && one.layers == other.layers;
}

} // namespace

std::vector<DockerImage> parse_docker_manifest(std::string_view text) {
    const Json document = parse_json(text, docker_archive::manifest);
    return doing(docker_archive::manifest, [&] {
        if (!document.is_array())
            throw Error(ErrorKind::invalid_argument, "not a list of images");
        check_count(document.size(), "images");
        std::vector<DockerImage> images;
        for (const Json& item : document)
            images.push_back(doing([&] { return cat("[", images.size(), "]"); }, [&] { return read_image(item); }));
        return images;
    });
}

std::vector<DockerRepository> parse_repositories(std::string_view text) {
    const Json document = parse_object(text, docker_archive::repositories);
    return doing(docker_archive::repositories, [&] {
        std::vector<DockerRepository> found;
        for (const auto& [repository, tags] : document.items()) {
            if (!tags.is_object())
                throw Error(ErrorKind::invalid_argument, '"', printable(repository), "\" is not an object");
            for (const auto& [tag, id] : tags.items()) {
                if (!id.is_string())
                    throw Error(ErrorKind::invalid_argument, '"', printable(repository),
                                "\" holds a layer ID that is "
                                "not a string");
                check_id(id.get_ref<const std::string&>());
                found.push_back(
                    {.name = Reference::parse(cat(repository, ':', tag)).string(), .layer = id.get<std::string>()});
            }
            check_count(found.size(), "names");
        }
        return found;
    });
}

DockerLayer parse_docker_layer(std::string_view text, const std::string& id) {
    const std::string what = cat(id, "/json");
    const Json v1 = parse_object(text, what);
    return doing(what, [&] {
        if (const std::string told = find_string(v1, "id").value_or(id); told != id)
            throw Error(ErrorKind::invalid_argument, "is of layer \"", printable(told), '"');
        DockerLayer layer{.parent = find_string(v1, "parent").value_or(""), .history = v1_history(v1)};
        if (!layer.parent.empty())
            check_id(layer.parent);
        // Its files are there whatever was thought of them.
        layer.history.empty_layer = false;
        return layer;
    });
}

std::string docker_manifest(const Descriptor& config, const std::vector<Descriptor>& layers) {
    // In the order of members that Go writes.
    using Ordered = nlohmann::ordered_json;
    const auto describe = [](const Descriptor& one) {
        return Ordered{{"mediaType", one.media_type}, {"digest", one.digest.string()}, {"size", one.size}};
    };
    Ordered list = Ordered::array();
    std::ranges::transform(layers, std::back_inserter(list), describe);
    return Ordered{{"schemaVersion", 2},
                   {"mediaType", media_type::docker_manifest},
                   {"config", describe(config)},
                   {"layers", std::move(list)}}
        .dump();
}

std::vector<Descriptor> named_images(Descriptor image, const std::vector<std::string>& names) {
    std::vector<Descriptor> list;
    for (const std::string& name : names) {
        image.annotations = {{std::string(annotation::image_name), name}};
        if (const auto tag = Reference::parse(name).tag())
            image.annotations.emplace(annotation::reference_name, *tag);
        list.push_back(image);
    }
    if (list.empty())
        list.push_back(std::move(image));
    return list;
}

std::string list_docker_images(const std::vector<DockerImage>& images) {
    Json array = Json::array();
    for (const DockerImage& image : images)
        array.push_back({{"Config", image.config}, {"RepoTags", image.names}, {"Layers", image.layers}});
    return dump_json(array);
}

std::string add_docker_images(std::string_view current, const std::vector<DockerImage>& images,
                              const std::set<std::string>& moved) {
    std::set<std::string> elsewhere = moved;
    for (const DockerImage& added : images)
        elsewhere.insert(added.names.begin(), added.names.end());
    return doing(docker_archive::manifest, [&] {
        const Json array = parse_json(current, "the document");
        if (!array.is_array())
            throw Error(ErrorKind::invalid_argument, "not a JSON array");
        std::vector<DockerImage> all;
        for (const Json& item : array) {
            DockerImage image{.config = get_string(item, "Config"),
                              .names = read_strings(item, "RepoTags"),
                              .layers = read_strings(item, "Layers")};
            const bool was_tagged = !image.names.empty();
            std::erase_if(image.names, [&](const std::string& name) { return elsewhere.contains(name); });
            if (!image.names.empty() || !was_tagged)
                all.push_back(std::move(image));
        }
        for (const DockerImage& added : images) {
            const auto known =
                std::ranges::find_if(all, [&](const DockerImage& one) { return same_files(one, added); });
            if (known == all.end())
                all.push_back(added);
            else
                known->names.insert(known->names.end(), added.names.begin(), added.names.end());
        }
        return list_docker_images(all);
    });
}

std::optional<std::string> docker_name(std::string_view name) {
    constexpr std::string_view hub = "docker.io/";
    constexpr std::string_view official = "docker.io/library/";
    const auto reference = Reference::try_parse(name);
    if (!reference || !reference->tag() || reference->digest())
        return std::nullopt;
    std::string whole = reference->string();
    if (whole.starts_with(official) && whole.find('/', official.size()) == std::string::npos)
        return whole.substr(official.size());
    return whole.starts_with(hub) ? whole.substr(hub.size()) : whole;
}

} // namespace lade::oci
