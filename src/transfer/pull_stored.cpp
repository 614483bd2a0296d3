// SPDX-License-Identifier: Apache-2.0
#include "transfer/pull_stored.hpp"

#include "base/error.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "transfer/fetch.hpp"

namespace lade::transfer {

namespace {

Error missing(const oci::Descriptor& descriptor) {
    return Error(ErrorKind::not_found, oci::kind_of(descriptor), ' ', descriptor.digest, " is not in the store");
}

// `present` of its layers are unpacked, so that nobody needs their bytes.
void require_layers(store::Blobs& blobs, const PlatformImage& image, std::size_t present) {
    for (std::size_t i = present; i < image.manifest.layers.size(); ++i)
        if (!blobs.is_whole(image.manifest.layers[i]))
            throw missing(image.manifest.layers[i]);
    if (!blobs.is_whole(image.manifest.config))
        throw missing(image.manifest.config);
}

} // namespace

std::optional<Destination> destination_of(store::Store& store, const PullOptions& options, store::LeaseHold& lease,
                                          Progress& progress) {
    if (!options.snapshotter)
        return std::nullopt;
    return Destination{.store = store,
                       .name_space = options.name_space,
                       .snapshotter = *options.snapshotter,
                       .lease = lease,
                       .limits = options.limits,
                       .progress = progress};
}

Pulled pull_stored(store::Store& store, const oci::Reference& reference, const PullOptions& options,
                   store::LeaseHold& lease, Progress& progress, const std::stop_token& stop) {
    store::Images images(store, options.name_space, options.lease);
    const auto row = images.hold(reference.string(), lease);
    if (!row)
        throw Error(ErrorKind::not_found, "the image is not in the store");
    if (!store::means_target(*row))
        throw Error(ErrorKind::not_found, "the image is not in the store, where its name has another one, ",
                    row->target.digest);
    Pulled pulled{.name = row->name, .target = row->target, .chain_ids = {}, .stored = true};
    store::Blobs blobs(store, options.name_space);
    const std::vector<PlatformImage> chosen =
        choose_images(row->target, options.choice, [&](const oci::Descriptor& document) {
            if (!blobs.find(document.digest))
                throw missing(document);
            return blobs.read_document(document);
        });
    const std::optional<Destination> destination = destination_of(store, options, lease, progress);
    if (options.layers)
        for (const PlatformImage& image : chosen)
            require_layers(blobs, image, destination && image.is_image() ? hold_unpacked(*destination, image) : 0);
    const OpenLayer open = [&](const oci::Descriptor& layer, const std::stop_token&) {
        return open_stored(blobs, layer);
    };
    for (const PlatformImage& image : chosen) {
        if (!destination || !image.is_image())
            continue;
        pulled.chain_ids.push_back(unpack_image(*destination, image, open, stop));
        label_unpacked(*destination, image, pulled.chain_ids.back());
    }
    if (!options.labels.empty())
        images.put({.name = pulled.name, .target = pulled.target, .labels = options.labels});
    return pulled;
}

} // namespace lade::transfer
