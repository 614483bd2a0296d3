// SPDX-License-Identifier: Apache-2.0
#include "transfer/fetch_images.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"

namespace lade::transfer {

namespace {

// An artifact's config is no document that was read on the way here.
void add_content(SortedBlobs& sorted, const PlatformImage& image, std::size_t unpacked, const Provider& provider) {
    const std::vector<oci::Descriptor>& layers = image.manifest.layers;
    for (std::size_t i = 0; i < layers.size(); ++i)
        (i < unpacked && !provider.brings_unpacked(layers[i]) ? sorted.unpacked : sorted.wanted).push_back(layers[i]);
    if (!image.is_image())
        sorted.wanted.push_back(image.manifest.config);
}

// Downloads run in tasks, image after image is unpacked behind them in another. When either side fails all are stopped,
// and the error that came first is the one that is thrown. Without a destination the content is all that is wanted.
std::vector<oci::ChainId> fetch_and_unpack(const Origin& origin, const std::optional<Destination>& destination,
                                           const std::vector<PlatformImage>& images, const SortedBlobs& blobs,
                                           std::size_t at_once, const std::stop_token& stop) {
    std::vector<oci::ChainId> chain_ids;
    std::vector<const PlatformImage*> unpacked;
    LayerDownloads downloads(origin, at_once, stop);
    downloads.start(blobs.wanted);
    downloads.keep(blobs.unpacked);
    if (destination)
        downloads.run_beside([&](const std::stop_token& task_stop) {
            const OpenLayer open = [&](const oci::Descriptor& layer, const std::stop_token& unpack_stop) {
                return downloads.open(layer, unpack_stop);
            };
            try {
                for (const PlatformImage& image : images) {
                    if (!image.is_image())
                        continue;
                    chain_ids.push_back(unpack_image(*destination, image, open, task_stop));
                    unpacked.push_back(&image);
                }
            } catch (const Error& error) {
                if (origin.provider.awaits_verdict() && may_be_damage(error.kind()))
                    downloads.wait_for_verdict(task_stop);
                throw;
            }
        });
    downloads.wait();
    for (std::size_t i = 0; i < chain_ids.size(); ++i)
        label_unpacked(*destination, *unpacked[i], chain_ids[i]);
    return chain_ids;
}

} // namespace

bool may_be_damage(ErrorKind kind) {
    switch (kind) {
    case ErrorKind::data_loss:
    case ErrorKind::invalid_argument:
    case ErrorKind::failed_precondition:
    case ErrorKind::not_found:
    case ErrorKind::resource_exhausted:
    case ErrorKind::unimplemented:
        return true;
    default:
        return false;
    }
}

void warn_of_platform(const PlatformImage& image, const PlatformChoice& choice, Progress& progress) {
    if (const auto other = choice.all ? std::nullopt : other_platform(image, choice.platforms))
        progress.warn(*other);
}

void warn_of_artifacts(const std::vector<PlatformImage>& images, Progress& progress) {
    for (const PlatformImage& image : images)
        if (!image.is_image())
            progress.warn(cat("manifest ", image.manifest_descriptor.digest, " is no image but an artifact (",
                              printable(image.manifest.artifact_type.empty() ? image.manifest.config.media_type
                                                                             : image.manifest.artifact_type),
                              "): its content is kept, there is nothing to unpack"));
}

SortedBlobs sort_blobs(const Origin& origin, const std::optional<Destination>& destination, const Wanted& wanted) {
    SortedBlobs sorted{.wanted = wanted.blobs, .unpacked = {}};
    origin.blobs.hold(wanted.blobs, origin.lease);
    for (const PlatformImage& image : wanted.images) {
        // Before the snapshots: a layer that is unpacked is not fetched, so its blob must not go while they stay.
        origin.blobs.hold(image.manifest.layers, origin.lease);
        const bool unpack = destination && image.is_image();
        // What cannot be unpacked is refused before its layers are fetched.
        if (unpack)
            static_cast<void>(layers_of(image));
        add_content(sorted, image, unpack ? hold_unpacked(*destination, image) : 0, origin.provider);
    }
    for (const PlatformImage& image : wanted.content) {
        origin.blobs.hold(image.manifest.layers, origin.lease);
        add_content(sorted, image, 0, origin.provider);
    }
    return sorted;
}

std::vector<oci::ChainId> fetch_images(const Origin& origin, const std::optional<Destination>& destination,
                                       const Wanted& wanted, std::size_t at_once, const std::stop_token& stop) {
    for (bool repaired = false;;) {
        const SortedBlobs blobs = sort_blobs(origin, destination, wanted);
        try {
            return fetch_and_unpack(origin, destination, wanted.images, blobs, at_once, stop);
        } catch (const WrongBytes&) {
            // Each time one host less is asked.
            continue;
        } catch (const Error& error) {
            if (repaired || !may_be_damage(error.kind()) || !make_way_for_layers(origin, blobs.wanted, stop))
                throw;
            repaired = true;
        }
    }
}

} // namespace lade::transfer
