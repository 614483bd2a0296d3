// SPDX-License-Identifier: Apache-2.0
#include "transfer/pull.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "store/leases.hpp"
#include "transfer/fetch_images.hpp"
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

// The blobs of what refers to the image, the documents being there.
std::vector<oci::Descriptor> bring_referrers(const RemoteOrigin& origin, const oci::Descriptor& target,
                                             const std::vector<PlatformImage>& images, const std::stop_token& stop) {
    std::vector<oci::Digest> subjects{target.digest};
    for (const PlatformImage& image : images)
        subjects.push_back(image.manifest_descriptor.digest);
    return fetch_referrers(origin, subjects, stop);
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
    RepositoryProvider provider(repository);
    const RemoteOrigin origin{
        {.provider = provider, .reference = &reference, .blobs = blobs, .lease = lease, .progress = progress},
        repository};
    const std::optional<Destination> destination = destination_of(store, options, lease, progress);

    // From the tag to one digest.
    const oci::Descriptor resolved = resolve(repository, reference, progress, stop);
    if (policy == PullPolicy::if_newer && row && store::was_made_of(*row, resolved.digest))
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
        pulled.chain_ids =
            fetch_images(origin, destination, {.images = images, .blobs = others}, options.downloads, stop);
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
