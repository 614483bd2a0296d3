// SPDX-License-Identifier: Apache-2.0
#include "transfer/pull.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "store/leases.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

namespace {

oci::Descriptor resolve(registry::Repository& repository, const oci::Reference& reference, Progress& progress,
                        const std::stop_token& stop) {
    Item& item = progress.add("reference", reference.string(), 0);
    item.set(Stage::resolving);
    oci::Descriptor root = repository.resolve(stop);
    item.set(Stage::resolved);
    return root;
}

// A manifest that is named directly is taken whatever its platform (registry-and-unpack.md 3.5), but not in silence.
void warn_of_platform(const PlatformImage& image, const PlatformChoice& choice, Progress& progress) {
    const oci::Platform& offered = image.config.platform;
    if (choice.all || offered.os.empty() ||
        std::ranges::any_of(choice.platforms, [&](const oci::Platform& wish) { return matches(wish, offered); }))
        return;
    progress.warn(cat("image ", image.manifest_descriptor.digest, " is for ", printable(to_string(offered)), ", not ",
                      to_string(choice.platforms.front())));
}

struct Layers {
    std::vector<oci::Descriptor> wanted;
    std::vector<oci::Descriptor> unpacked; // their snapshots exist, nobody needs their bytes
};

Layers sort_layers(const Origin& origin, const std::optional<Destination>& destination,
                   const std::vector<PlatformImage>& images) {
    Layers sorted;
    for (const PlatformImage& image : images) {
        // Before the snapshots: a layer that is unpacked is not fetched, so its blob must not go while they stay.
        origin.blobs.hold(image.manifest.layers, origin.lease);
        // What cannot be unpacked is refused before its layers are fetched.
        if (destination)
            static_cast<void>(layers_of(image));
        const std::vector<oci::Descriptor>& layers = image.manifest.layers;
        const std::size_t present = destination ? hold_unpacked(*destination, image) : 0;
        const auto first_missing = layers.begin() + static_cast<std::ptrdiff_t>(present);
        sorted.unpacked.insert(sorted.unpacked.end(), layers.begin(), first_missing);
        sorted.wanted.insert(sorted.wanted.end(), first_missing, layers.end());
        // An artifact's config is no document that was read on the way here.
        if (!oci::media_type::is_config(image.manifest.config.media_type))
            sorted.wanted.push_back(image.manifest.config);
    }
    return sorted;
}

// Downloads run in tasks, image after image is unpacked behind them in another. When either side fails all are stopped,
// and the error that came first is the one that is thrown. Without a destination the content is all that is wanted.
std::vector<oci::ChainId> fetch_and_unpack(const Origin& origin, const std::optional<Destination>& destination,
                                           const std::vector<PlatformImage>& images, const Layers& layers,
                                           std::size_t at_once, const std::stop_token& stop) {
    std::vector<oci::ChainId> chain_ids;
    LayerDownloads downloads(origin, at_once, stop);
    downloads.start(layers.wanted);
    downloads.keep(layers.unpacked);
    if (destination)
        downloads.run_beside([&](const std::stop_token& task_stop) {
            const OpenLayer open = [&](const oci::Descriptor& layer, const std::stop_token& unpack_stop) {
                return downloads.open(layer, unpack_stop);
            };
            for (const PlatformImage& image : images)
                chain_ids.push_back(unpack_image(*destination, image, open, task_stop));
        });
    downloads.wait();
    for (std::size_t i = 0; i < chain_ids.size(); ++i)
        label_unpacked(*destination, images[i], chain_ids[i]);
    return chain_ids;
}

// Bytes are applied before their digest is known, so spoilt ones may fail in any way a hostile layer may.
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

// A layer that was in the store already may turn out to be damaged; it is fetched anew, once.
std::vector<oci::ChainId> fetch_and_unpack_whole(const Origin& origin, const std::optional<Destination>& destination,
                                                 const std::vector<PlatformImage>& images, std::size_t at_once,
                                                 const std::stop_token& stop) {
    Layers layers = sort_layers(origin, destination, images);
    try {
        return fetch_and_unpack(origin, destination, images, layers, at_once, stop);
    } catch (const Error& error) {
        if (!may_be_damage(error.kind()) || !make_way_for_layers(origin, layers.wanted, stop))
            throw;
    }
    layers = sort_layers(origin, destination, images);
    return fetch_and_unpack(origin, destination, images, layers, at_once, stop);
}

Pulled pull_image(store::Store& store, const oci::Reference& reference, const PullOptions& options, Progress& progress,
                  const std::stop_token& stop) {
    // Everything that is written from here on is held by the lease until the image row holds it.
    store::LeaseHold lease(store, options.name_space, options.lease);
    store::Blobs blobs(store, options.name_space);
    registry::Repository repository(reference, options.registry);
    const Origin origin{
        .repository = repository, .reference = reference, .blobs = blobs, .lease = lease, .progress = progress};
    std::optional<Destination> destination;
    if (options.snapshotter)
        destination.emplace(Destination{.store = store,
                                        .name_space = options.name_space,
                                        .snapshotter = *options.snapshotter,
                                        .lease = lease,
                                        .limits = options.limits,
                                        .progress = progress});

    // From the tag to one digest.
    const oci::Descriptor target = resolve(repository, reference, progress, stop);
    // From the digest to the images wanted: indexes, manifests and configs are stored on the way.
    const std::vector<PlatformImage> images =
        choose_images(target, options.choice,
                      [&](const oci::Descriptor& descriptor) { return fetch_document(origin, descriptor, stop); });
    if (oci::media_type::is_manifest(target.media_type))
        warn_of_platform(images.front(), options.choice, progress);
    // Layers: downloaded and unpacked at the same time, each byte read once.
    Pulled pulled{.name = reference.string(), .target = target, .chain_ids = {}};
    if (options.layers)
        pulled.chain_ids = fetch_and_unpack_whole(origin, destination, images, options.downloads, stop);
    // All of it is true now; last of all the name that makes it visible.
    store::Images(store, options.name_space, options.lease)
        .put({.name = pulled.name, .target = pulled.target, .labels = options.labels},
             oci::to_string(oci::host_platform()), find_summary(store, options.name_space, pulled.target));
    return pulled;
}

} // namespace

Pulled pull(store::Store& store, const oci::Reference& reference, const PullOptions& options, Progress& progress,
            const std::stop_token& stop) {
    return doing([&] { return cat("pull ", reference.string()); },
                 [&] { return pull_image(store, reference, options, progress, stop); });
}

} // namespace lade::transfer
