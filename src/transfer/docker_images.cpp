// SPDX-License-Identifier: Apache-2.0
#include "transfer/docker_images.hpp"

#include <map>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
#include "transfer/document.hpp"

namespace lade::transfer {

namespace {

class Conversion {
public:
    Conversion(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider, const DockerRules& rules,
               MissingBlobs& missing, const std::stop_token& stop)
        : origin_(origin),
          files_(files),
          provider_(provider),
          rules_(rules),
          missing_(missing),
          stop_(stop),
          layers_(origin, files, rules.layers, stop) {}

    std::vector<oci::Descriptor> convert(const oci::DockerImage& image) {
        const auto file = files_.find(image.config);
        if (!file)
            throw Error(ErrorKind::invalid_argument, "its config ", printable(image.config), " is not in the archive");
        const std::string text = files_.read(*file, oci::max_document);
        const oci::ImageConfig config = oci::parse_config(text, printable(image.config));
        // A config that is named by its digest is that one.
        if (const auto told = told_digest(image.config); told && *told != oci::Digest::of(text))
            throw Error(ErrorKind::data_loss, printable(image.config), ": has digest ", oci::Digest::of(text));
        std::vector<oci::Descriptor> wanted;
        for (oci::Descriptor& one : oci::named_images(
                 {.media_type = {}, .digest = oci::Digest::of(text), .platform = config.platform}, image.names))
            if (rules_.is_wanted(one))
                wanted.push_back(std::move(one));
        if (wanted.empty())
            return wanted;
        const auto layers = find_layers(image, config);
        if (!layers)
            return {};
        return put_docker_image(origin_, text, *layers, std::move(wanted), stop_);
    }

private:
    // HEX.json, or where a layout has its blobs.
    static std::optional<oci::Digest> told_digest(const std::string& name) {
        if (auto blob = oci::layout::find_blob(name))
            return blob;
        constexpr std::string_view suffix = ".json";
        return name.ends_with(suffix)
                   ? oci::Digest::try_parse(cat("sha256:", name.substr(0, name.size() - suffix.size())))
                   : std::nullopt;
    }

    // nullopt: some are missing.
    std::optional<std::vector<oci::Descriptor>> find_layers(const oci::DockerImage& image,
                                                            const oci::ImageConfig& config) {
        if (image.layers.size() != config.diff_ids.size())
            throw Error(ErrorKind::invalid_argument, printable(image.config), ": ", config.diff_ids.size(),
                        " diff IDs for ", image.layers.size(), " layers");
        std::vector<oci::Descriptor> layers;
        for (std::size_t i = 0; i < image.layers.size(); ++i) {
            const auto layer = doing([&] { return printable(image.layers[i]); },
                                     [&] { return find_layer(image.layers[i], config.diff_ids[i]); });
            if (layer)
                layers.push_back(*layer);
            else
                missing_.add("layer", config.diff_ids[i].digest,
                             cat(image.names.empty() ? image.config : image.names.front(), " (", image.layers[i], ')'));
        }
        return layers.size() == image.layers.size() ? std::optional(std::move(layers)) : std::nullopt;
    }

    std::optional<oci::Descriptor> find_layer(const std::string& name, const oci::DiffId& diff_id) {
        if (const auto known = known_.find(diff_id); known != known_.end())
            return known->second;
        auto layer = make_layer(name, diff_id);
        if (layer)
            known_.emplace(diff_id, *layer);
        return layer;
    }

    std::optional<oci::Descriptor> make_layer(const std::string& name, const oci::DiffId& diff_id) {
        const auto file = files_.find(name);
        const bool plain = file && layers_.compression_of(*file) == archive::Compression::none;
        if (plain && file->digest)
            DockerLayers::require_same(*file->digest, diff_id);
        if (auto stored = layers_.find_stored(diff_id);
            stored && (!rules_.layers.compress || stored->media_type != plain_docker_layer || !file))
            return stored;
        if (!file)
            return std::nullopt;
        if (plain && rules_.layers.compress)
            return layers_.compress(*file, diff_id);
        if (!plain)
            return layers_.store(*file, diff_id);
        // Where it is read it is verified.
        provider_.add(diff_id.digest, *file);
        return oci::Descriptor{
            .media_type = std::string(plain_docker_layer), .digest = diff_id.digest, .size = file->size};
    }

    const Origin& origin_;
    const ImageFiles& files_;
    ArchiveProvider& provider_;
    const DockerRules& rules_;
    MissingBlobs& missing_;
    std::stop_token stop_;
    DockerLayers layers_;
    std::map<oci::DiffId, oci::Descriptor> known_;
};

} // namespace

std::vector<oci::Descriptor> docker_images(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                                           const DockerRules& rules, MissingBlobs& missing,
                                           const std::stop_token& stop) {
    const auto text = files.find_text(std::string(oci::docker_archive::manifest), oci::docker_archive::max_text);
    Conversion conversion(origin, files, provider, rules, missing, stop);
    std::vector<oci::Descriptor> images;
    for (const oci::DockerImage& image : oci::parse_docker_manifest(text.value_or("")))
        for (oci::Descriptor& one :
             doing([&] { return cat("image ", printable(image.names.empty() ? image.config : image.names.front())); },
                   [&] { return conversion.convert(image); }))
            images.push_back(std::move(one));
    return images;
}

std::vector<oci::Descriptor> put_docker_image(const Origin& origin, const std::string& config,
                                              const std::vector<oci::Descriptor>& layers,
                                              std::vector<oci::Descriptor> listed, const std::stop_token& stop) {
    const oci::Descriptor config_descriptor =
        put_document(origin.blobs, config, oci::media_type::docker_config, {}, origin.lease, stop);
    const oci::Descriptor manifest = put_manifest(origin.blobs, oci::docker_manifest(config_descriptor, layers),
                                                  oci::media_type::docker_manifest, origin.lease, stop);
    for (oci::Descriptor& one : listed) {
        one.media_type = manifest.media_type;
        one.digest = manifest.digest;
        one.size = manifest.size;
    }
    return listed;
}

} // namespace lade::transfer
