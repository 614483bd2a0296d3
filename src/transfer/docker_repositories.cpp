// SPDX-License-Identifier: Apache-2.0
#include "transfer/docker_repositories.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/docker_archive.hpp"
#include "oci/schema1.hpp"
#include "transfer/docker_layers.hpp"

namespace lade::transfer {

namespace {

// From the bottom up.
std::vector<std::pair<std::string, oci::DockerLayer>> read_chain(const ImageFiles& files, const std::string& top) {
    constexpr std::size_t max_layers = 1000;
    std::vector<std::pair<std::string, oci::DockerLayer>> chain;
    std::set<std::string> seen;
    for (std::string id = top; !id.empty(); id = chain.back().second.parent) {
        if (!seen.insert(id).second)
            throw Error(ErrorKind::invalid_argument, "layer ", id, ": lies on itself");
        if (seen.size() > max_layers)
            throw Error(ErrorKind::resource_exhausted, "more than ", max_layers, " layers");
        const auto text = files.find_text(cat(id, "/json"), oci::max_document);
        if (!text)
            throw Error(ErrorKind::not_found, "layer ", id, " is not in the archive");
        chain.emplace_back(id, oci::parse_docker_layer(*text, id));
    }
    std::ranges::reverse(chain);
    return chain;
}

} // namespace

std::vector<oci::Descriptor> old_docker_images(const Origin& origin, const ImageFiles& files, const DockerRules& rules,
                                               const std::stop_token& stop) {
    const auto text = files.find_text(std::string(oci::docker_archive::repositories), oci::docker_archive::max_text);
    DockerLayers layers(origin, files, rules.layers, stop);
    const auto find_layer = [&](const std::string& id) {
        const auto file = files.find(cat(id, "/layer.tar"));
        if (!file)
            throw Error(ErrorKind::not_found, "layer ", id, " is not in the archive");
        return layers.store(*file);
    };
    std::map<std::string, std::pair<oci::Descriptor, oci::DiffId>> known;
    const auto convert = [&](const oci::DockerRepository& repository) {
        const auto chain = read_chain(files, repository.layer);
        const auto top = files.find_text(cat(repository.layer, "/json"), oci::max_document);
        oci::Schema1 image{.steps = {}, .config = top.value_or("")};
        std::vector<oci::Descriptor> descriptors;
        std::vector<oci::DiffId> diff_ids;
        for (const auto& [id, layer] : chain) {
            auto found = known.find(id);
            if (found == known.end()) {
                const oci::Descriptor stored = find_layer(id);
                const oci::DiffId diff_id = layers.diff_id_of(stored);
                found = known.emplace(id, std::pair(stored, diff_id)).first;
            }
            descriptors.push_back(found->second.first);
            diff_ids.push_back(found->second.second);
            image.steps.push_back({.blob = diff_ids.back().digest, .history = layer.history});
        }
        const std::string config = oci::schema1_config(image, diff_ids);
        const oci::Descriptor listed{.media_type = std::string(oci::media_type::docker_manifest),
                                     .digest = oci::Digest::of(config),
                                     .platform = oci::parse_config(config, "new config").platform};
        return put_docker_image(origin, config, descriptors, oci::named_images(listed, {repository.name}), stop)
            .front();
    };
    std::vector<oci::Descriptor> images;
    for (const oci::DockerRepository& repository : oci::parse_repositories(text.value_or("")))
        if (oci::Descriptor image =
                doing([&] { return cat("image ", repository.name); }, [&] { return convert(repository); });
            rules.is_wanted(image))
            images.push_back(std::move(image));
    return images;
}

} // namespace lade::transfer
