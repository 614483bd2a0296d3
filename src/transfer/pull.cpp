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
#include "transfer/pull_stored.hpp"
#include "transfer/referrers.hpp"
#include "transfer/root.hpp"
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

// Whoever asks for an artifact's content gets it; that it is no image is said where one would have been unpacked.
void warn_of_artifacts(const std::vector<PlatformImage>& images, Progress& progress) {
    for (const PlatformImage& image : images)
        if (!image.is_image())
            progress.warn(cat("manifest ", image.manifest_descriptor.digest, " is no image but an artifact (",
                              printable(image.manifest.artifact_type.empty() ? image.manifest.config.media_type
                                                                             : image.manifest.artifact_type),
                              "): its content is kept, there is nothing to unpack"));
}

struct Layers {
    std::vector<oci::Descriptor> wanted;
    std::vector<oci::Descriptor> unpacked; // their snapshots exist, nobody needs their bytes
};

// `others` are wanted whatever is unpacked.
Layers sort_layers(const Origin& origin, const std::optional<Destination>& destination,
                   const std::vector<PlatformImage>& images, const std::vector<oci::Descriptor>& others) {
    Layers sorted{.wanted = others, .unpacked = {}};
    origin.blobs.hold(others, origin.lease);
    for (const PlatformImage& image : images) {
        // Before the snapshots: a layer that is unpacked is not fetched, so its blob must not go while they stay.
        origin.blobs.hold(image.manifest.layers, origin.lease);
        // What cannot be unpacked is refused before its layers are fetched.
        const bool unpack = destination && image.is_image();
        if (unpack)
            static_cast<void>(layers_of(image));
        const std::vector<oci::Descriptor>& layers = image.manifest.layers;
        const std::size_t present = unpack ? hold_unpacked(*destination, image) : 0;
        const auto first_missing = layers.begin() + static_cast<std::ptrdiff_t>(present);
        sorted.unpacked.insert(sorted.unpacked.end(), layers.begin(), first_missing);
        sorted.wanted.insert(sorted.wanted.end(), first_missing, layers.end());
        // An artifact's config is no document that was read on the way here.
        if (!image.is_image())
            sorted.wanted.push_back(image.manifest.config);
    }
    return sorted;
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

// Downloads run in tasks, image after image is unpacked behind them in another. When either side fails all are stopped,
// and the error that came first is the one that is thrown. Without a destination the content is all that is wanted.
std::vector<oci::ChainId> fetch_and_unpack(const Origin& origin, const std::optional<Destination>& destination,
                                           const std::vector<PlatformImage>& images, const Layers& layers,
                                           std::size_t at_once, const std::stop_token& stop) {
    std::vector<oci::ChainId> chain_ids;
    std::vector<const PlatformImage*> unpacked;
    LayerDownloads downloads(origin, at_once, stop);
    downloads.start(layers.wanted);
    downloads.keep(layers.unpacked);
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
                // A mirror's wrong bytes are cured by another host, a bad image is not.
                if (origin.repository.has_mirrors() && may_be_damage(error.kind()))
                    downloads.wait_for_verdict(task_stop);
                throw;
            }
        });
    downloads.wait();
    for (std::size_t i = 0; i < chain_ids.size(); ++i)
        label_unpacked(*destination, *unpacked[i], chain_ids[i]);
    return chain_ids;
}

// The blobs of what refers to the image, the documents being there.
std::vector<oci::Descriptor> bring_referrers(const Origin& origin, const oci::Descriptor& target,
                                             const std::vector<PlatformImage>& images, const std::stop_token& stop) {
    std::vector<oci::Digest> subjects{target.digest};
    for (const PlatformImage& image : images)
        subjects.push_back(image.manifest_descriptor.digest);
    return fetch_referrers(origin, subjects, stop);
}

// A layer that was in the store already may turn out to be damaged; it is fetched anew, once.
std::vector<oci::ChainId> fetch_and_unpack_whole(const Origin& origin, const std::optional<Destination>& destination,
                                                 const std::vector<PlatformImage>& images,
                                                 const std::vector<oci::Descriptor>& others, std::size_t at_once,
                                                 const std::stop_token& stop) {
    for (bool repaired = false;;) {
        const Layers layers = sort_layers(origin, destination, images, others);
        try {
            return fetch_and_unpack(origin, destination, images, layers, at_once, stop);
        } catch (const WrongBytes&) {
            // Each time one host less is asked.
            continue;
        } catch (const Error& error) {
            if (repaired || !may_be_damage(error.kind()) || !make_way_for_layers(origin, layers.wanted, stop))
                throw;
            repaired = true;
        }
    }
}

// Whether the image is what the registry has under that digest, converted if need be.
bool was_made_of(const store::Image& image, const oci::Digest& digest) {
    const auto source = image.labels.find(std::string(oci::label::converted_schema1));
    return image.target.digest == digest || (source != image.labels.end() && source->second == digest.string());
}

// Nullopt when something is missing or damaged, which the registry may cure.
std::optional<Pulled> try_stored(store::Store& store, const oci::Reference& reference, const PullOptions& options,
                                 store::LeaseHold& lease, Progress& progress, const std::stop_token& stop) {
    try {
        return pull_stored(store, reference, options, lease, progress, stop);
    } catch (const Error& error) {
        if (!may_be_damage(error.kind()))
            throw;
        return std::nullopt;
    }
}

Pulled pull_image(store::Store& store, const oci::Reference& reference, const PullOptions& options, Progress& progress,
                  const std::stop_token& stop) {
    const PullPolicy policy = options.policy;
    const auto row = store::Images(store, options.name_space).find(reference.string());
    // Before the lease, which would make the namespace.
    if (policy == PullPolicy::offline && !row)
        throw Error(ErrorKind::not_found, "the image is not in the store");
    // Everything that is written from here on is held by the lease until the image row holds it.
    store::LeaseHold lease(store, options.name_space, options.lease);
    const auto stored = [&] { return try_stored(store, reference, options, lease, progress, stop); };
    if (policy == PullPolicy::offline)
        return pull_stored(store, reference, options, lease, progress, stop);
    // Nothing is newer than a digest.
    if (row && (policy == PullPolicy::if_missing || (policy == PullPolicy::if_newer && reference.digest())))
        if (auto pulled = stored())
            return *std::move(pulled);
    store::Blobs blobs(store, options.name_space);
    registry::Options registry_options = options.registry;
    registry_options.warn = [&](const std::string& text) { progress.warn(text); };
    registry::Repository repository(reference, registry_options);
    const Origin origin{
        .repository = repository, .reference = reference, .blobs = blobs, .lease = lease, .progress = progress};
    const std::optional<Destination> destination = destination_of(store, options, lease, progress);

    // From the tag to one digest.
    const oci::Descriptor resolved = resolve(repository, reference, progress, stop);
    if (policy == PullPolicy::if_newer && row && was_made_of(*row, resolved.digest))
        if (auto pulled = stored())
            return *std::move(pulled);
    // Whatever form it has, from here on it is an image of today.
    const Root root = fetch_root(origin, resolved, options.downloads, options.limits.ratio, stop);
    // From the digest to the images wanted: indexes, manifests and configs are stored on the way.
    const std::vector<PlatformImage> images =
        choose_images(root.target, options.choice, [&](const oci::Descriptor& descriptor) {
            const auto known = root.documents.find(descriptor.digest);
            return known != root.documents.end() ? known->second : fetch_document(origin, descriptor, stop);
        });
    if (oci::media_type::is_manifest(root.target.media_type))
        warn_of_platform(images.front(), options.choice, progress);
    if (destination)
        warn_of_artifacts(images, progress);
    const std::vector<oci::Descriptor> others =
        options.referrers ? bring_referrers(origin, root.target, images, stop) : std::vector<oci::Descriptor>{};
    // Layers: downloaded and unpacked at the same time, each byte read once.
    Pulled pulled{.name = reference.string(), .target = root.target, .chain_ids = {}};
    if (options.layers)
        pulled.chain_ids = fetch_and_unpack_whole(origin, destination, images, others, options.downloads, stop);
    oci::Labels labels = options.labels;
    labels.insert(root.labels.begin(), root.labels.end());
    // All of it is true now; last of all the name that makes it visible.
    store::Images(store, options.name_space, options.lease)
        .put({.name = pulled.name, .target = pulled.target, .labels = labels}, oci::to_string(oci::host_platform()),
             find_summary(store, options.name_space, pulled.target));
    return pulled;
}

} // namespace

Pulled pull(store::Store& store, const oci::Reference& reference, const PullOptions& options, Progress& progress,
            const std::stop_token& stop) {
    return doing([&] { return cat("pull ", reference.string()); },
                 [&] { return pull_image(store, reference, options, progress, stop); });
}

} // namespace lade::transfer
