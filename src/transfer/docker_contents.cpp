// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/parallel.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"
#include "transfer/archive_contents.hpp"
#include "transfer/runnable_image.hpp"
#include "transfer/stored_tree.hpp"
#include "transfer/verified_source.hpp"

namespace lade::transfer {

namespace {

// A layer's tar, read out of the blob.
class DecodedLayer final : public Source {
public:
    DecodedLayer(std::unique_ptr<Source> blob, std::string_view media_type)
        : blob_(std::move(blob)), tar_(archive::decompress(*blob_, media_type)) {}
    std::size_t read(std::span<std::byte> into) override { return tar_->read(into); }

private:
    std::unique_ptr<Source> blob_;
    std::unique_ptr<Source> tar_;
};

std::string describe(const Layer& layer) {
    return cat("layer ", layer.descriptor.digest);
}

std::uint64_t decoded_size(const OpenBlobs& blobs, const Layer& layer, const std::stop_token& stop) {
    DecodedLayer tar(blobs.open(layer.descriptor), layer.descriptor.media_type);
    std::vector<std::byte> buffer(256 * kib);
    std::uint64_t size = 0;
    while (const std::size_t n = tar.read(buffer)) {
        check_stop(stop);
        size += n;
    }
    return size;
}

std::string layer_name(const oci::DiffId& diff_id) {
    return cat(diff_id.digest.hex(), ".tar");
}

std::string config_name(const oci::Descriptor& config) {
    return cat(config.digest.hex(), ".json");
}

class Builder {
public:
    Builder(store::Blobs& blobs, OpenBlobs& held, const ContentsOptions& options, Progress& progress)
        : blobs_(blobs), held_(held), options_(options), progress_(progress) {}

    void add(const store::Image& image) {
        auto known = targets_.find(image.target.digest);
        if (known == targets_.end())
            known = targets_.emplace(image.target.digest, choose(image)).first;
        const PlatformImage& chosen = known->second;
        contents_.images.push_back({.name = image.name, .target = chosen.manifest_descriptor});

        oci::DockerImage& docker = docker_[chosen.manifest.config.digest];
        if (docker.config.empty())
            docker = add_files(chosen);
        const auto reference = oci::Reference::try_parse(image.name);
        // In full, as skopeo has it: docker takes both forms for the same, podman makes localhost/a of "a".
        if (reference && reference->tag() && !reference->digest())
            docker.names.push_back(reference->string());
    }

    ArchiveContents take(const std::stop_token& stop) {
        for (auto& [digest, docker] : docker_)
            contents_.docker.push_back(std::move(docker));
        for (auto& [name, config] : configs_)
            contents_.files.push_back(std::move(config));
        add_layers(stop);
        return std::move(contents_);
    }

private:
    PlatformImage choose(const store::Image& image) {
        const StoredTreeOptions wanted{.platforms = options_.platforms,
                                       .skip_missing = options_.platforms.empty(),
                                       .keep_indexes = false,
                                       .nondistributable = true};
        // That platforms are missing is no news where one is to be had.
        Progress unseen;
        std::vector<PlatformImage> images =
            runnable_images(blobs_, collect_stored_platforms(blobs_, image.name, image.target, wanted, unseen,
                                                             "--platform exports one platform"));
        auto best = best_image(images, options_.platforms);
        if (!best && images.size() == 1)
            best = 0;
        if (!best)
            refuse(image, images);
        return std::move(images[*best]);
    }

    [[noreturn]] void refuse(const store::Image& image, const std::vector<PlatformImage>& images) const {
        std::vector<std::string> platforms;
        std::ranges::transform(images, std::back_inserter(platforms),
                               [](const PlatformImage& one) { return printable(oci::to_string(one.config.platform)); });
        const oci::Platform wish = options_.platforms.empty() ? oci::host_platform() : options_.platforms.front();
        throw Error(ErrorKind::not_found, "image ", printable(image.name), ": none for platform ", oci::to_string(wish),
                    " is in the store; in it: ", platforms.empty() ? "none" : join(platforms, ", "));
    }

    oci::DockerImage add_files(const PlatformImage& image) {
        const oci::Descriptor& config = image.manifest.config;
        oci::DockerImage docker{.config = config_name(config), .names = {}, .layers = {}};
        Member member = stored_member(held_, config, progress_);
        member.name = docker.config;
        configs_.emplace(docker.config, std::move(member));
        for (const Layer& layer : layers_of(image)) {
            docker.layers.push_back(layer_name(layer.diff_id));
            held_.hold(layer.descriptor.digest);
            layers_.emplace(docker.layers.back(), layer);
        }
        return docker;
    }

    // A header tells the size of what follows it, and only the decoder knows that of a layer.
    void add_layers(const std::stop_token& stop) {
        std::vector<const Layer*> layers;
        layers.reserve(layers_.size());
        for (const auto& [name, layer] : layers_)
            layers.push_back(&layer);
        std::vector<std::uint64_t> sizes(layers.size());
        in_parallel(layers.size(), copies_at_once(), stop, [&](std::size_t i, const std::stop_token& task_stop) {
            sizes[i] =
                doing([&] { return describe(*layers[i]); }, [&] { return decoded_size(held_, *layers[i], task_stop); });
        });
        for (std::size_t i = 0; i < layers.size(); ++i)
            contents_.files.push_back(layer_member(*layers[i], sizes[i]));
    }

    Member layer_member(const Layer& layer, std::uint64_t size) {
        return {.name = layer_name(layer.diff_id),
                .size = size,
                .digest = layer.diff_id.digest,
                .open =
                    [&blobs = held_, layer, size](const std::stop_token& stop) {
                        return std::make_unique<VerifiedSource>(
                            std::make_unique<DecodedLayer>(open_verified(blobs, layer.descriptor, stop),
                                                           layer.descriptor.media_type),
                            layer.diff_id.digest, size, cat(describe(layer), " decoded"), stop);
                    },
                .item = &progress_.add("layer", layer.descriptor.digest.string(), size)};
    }

    store::Blobs& blobs_;
    OpenBlobs& held_;
    const ContentsOptions& options_;
    Progress& progress_;
    ArchiveContents contents_;
    std::map<oci::Digest, PlatformImage> targets_;
    std::map<oci::Digest, oci::DockerImage> docker_;
    std::map<std::string, Member> configs_;
    std::map<std::string, Layer> layers_;
};

} // namespace

std::size_t copies_at_once() {
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
}

ArchiveContents docker_contents(store::Blobs& blobs, OpenBlobs& held, const std::vector<store::Image>& images,
                                const ContentsOptions& options, Progress& progress, const std::stop_token& stop) {
    Builder builder(blobs, held, options, progress);
    for (const store::Image& image : images)
        builder.add(image);
    return builder.take(stop);
}

} // namespace lade::transfer
