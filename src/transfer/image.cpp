// SPDX-License-Identifier: Apache-2.0
#include "transfer/image.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::transfer {

namespace {

constexpr int max_index_depth = 8;
constexpr std::size_t max_manifests = 4096;
// Each is fetched and stored.
constexpr std::size_t max_indexes = 256;

class Walk {
public:
    explicit Walk(const ReadDocument& read) : read_(read) {}

    // Every manifest below `root`, in order; each index is read once however often it is named.
    void collect(const oci::Descriptor& root, int depth) {
        if (oci::media_type::is_manifest(root.media_type)) {
            manifests_.push_back(root);
            if (manifests_.size() > max_manifests)
                throw Error(ErrorKind::resource_exhausted, root.digest, ": more than ", max_manifests,
                            " manifests in one index");
            return;
        }
        if (!oci::media_type::is_index(root.media_type) || !visited_.insert(root.digest).second)
            return;
        if (depth > max_index_depth)
            throw Error(ErrorKind::resource_exhausted, "index ", root.digest, ": nested deeper than ", max_index_depth);
        if (visited_.size() > max_indexes)
            throw Error(ErrorKind::resource_exhausted, "index ", root.digest, ": more than ", max_indexes,
                        " indexes in one");
        const oci::Index index = oci::parse_index(read_(root), root.media_type, cat("index ", root.digest));
        for (const oci::Descriptor& child : index.manifests)
            collect(child, depth + 1);
    }

    PlatformImage load(const oci::Descriptor& descriptor) const {
        PlatformImage image{.manifest_descriptor = descriptor,
                            .manifest = oci::parse_manifest(read_(descriptor), descriptor.media_type,
                                                            cat("manifest ", descriptor.digest)),
                            .config = {}};
        const oci::Descriptor& config = image.manifest.config;
        if (image.is_image())
            image.config = oci::parse_config(read_(config), cat("config ", config.digest));
        return image;
    }

    // Attestations are no image of any platform.
    std::vector<oci::Descriptor> images() const {
        std::vector<oci::Descriptor> images;
        std::ranges::copy_if(manifests_, std::back_inserter(images),
                             [](const oci::Descriptor& one) { return !is_attestation(one); });
        return images;
    }

    const std::vector<oci::Descriptor>& manifests() const noexcept { return manifests_; }

private:
    const ReadDocument& read_;
    std::vector<oci::Descriptor> manifests_;
    std::set<oci::Digest> visited_;
};

[[noreturn]] void no_match(const oci::Descriptor& root, const oci::Platform& wish,
                           const std::vector<std::optional<oci::Platform>>& offers) {
    std::set<std::string> available;
    for (const auto& offer : offers)
        if (offer)
            available.insert(printable(oci::to_string(*offer)));
    throw Error(ErrorKind::not_found, "no image for platform ", oci::to_string(wish), " in ", root.digest,
                "; available: ", available.empty() ? "none" : join({available.begin(), available.end()}, ", "));
}

} // namespace

std::vector<PlatformImage> choose_images(const oci::Descriptor& root, const PlatformChoice& choice,
                                         const ReadDocument& read) {
    Walk walk(read);
    if (oci::media_type::is_manifest(root.media_type))
        return {walk.load(root)};
    if (!oci::media_type::is_index(root.media_type))
        throw Error(ErrorKind::invalid_argument, root.digest, ": ", printable(root.media_type),
                    " is neither an image manifest nor an index");
    walk.collect(root, 0);

    std::vector<PlatformImage> chosen;
    if (choice.all) {
        for (const oci::Descriptor& manifest : walk.manifests())
            chosen.push_back(walk.load(manifest));
        return chosen;
    }
    const std::vector<oci::Descriptor> images = walk.images();
    std::vector<std::optional<oci::Platform>> offers;
    offers.reserve(images.size());
    for (const oci::Descriptor& image : images)
        offers.push_back(image.platform && !image.platform->os.empty() ? image.platform
                                                                       : walk.load(image).config.platform);
    std::set<std::size_t> taken;
    for (const oci::Platform& wish : choice.platforms) {
        const auto best = oci::exact_match(wish, offers);
        if (!best)
            no_match(root, wish, offers);
        if (taken.insert(*best).second)
            chosen.push_back(walk.load(images[*best]));
    }
    if (choice.all_documents)
        for (const oci::Descriptor& manifest : walk.manifests())
            if (std::ranges::none_of(chosen, [&](const PlatformImage& image) {
                    return image.manifest_descriptor.digest == manifest.digest;
                }))
                static_cast<void>(walk.load(manifest));
    return chosen;
}

std::optional<std::string> other_platform(const PlatformImage& image, const std::vector<oci::Platform>& wishes) {
    const oci::Platform& offered = image.config.platform;
    if (wishes.empty() || offered.os.empty() ||
        std::ranges::any_of(wishes, [&](const oci::Platform& wish) { return matches(wish, offered); }))
        return std::nullopt;
    return cat("image ", image.manifest_descriptor.digest, " is for ", printable(to_string(offered)), ", not ",
               to_string(wishes.front()));
}

std::vector<Layer> layers_of(const PlatformImage& image) {
    const std::vector<oci::Descriptor>& layers = image.manifest.layers;
    const std::vector<oci::DiffId>& diff_ids = image.config.diff_ids;
    if (!image.is_image())
        throw Error(ErrorKind::invalid_argument, "manifest ", image.manifest_descriptor.digest,
                    ": not an image: its config is ", printable(image.manifest.config.media_type));
    if (layers.size() != diff_ids.size())
        throw Error(ErrorKind::invalid_argument, "config ", image.manifest.config.digest, ": ", diff_ids.size(),
                    " diff IDs for ", layers.size(), " layers");
    std::vector<Layer> pairs;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        if (!oci::media_type::is_layer(layers[i].media_type))
            throw Error(ErrorKind::unimplemented, "layer ", layers[i].digest, ": cannot unpack ",
                        printable(layers[i].media_type));
        pairs.push_back({.descriptor = layers[i], .diff_id = diff_ids[i]});
    }
    return pairs;
}

} // namespace lade::transfer
