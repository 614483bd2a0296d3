// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_summary.hpp"

#include <set>

#include "base/error.hpp"

namespace lade::transfer {

namespace {

bool is_document(const oci::Descriptor& descriptor) {
    return oci::media_type::is_index(descriptor.media_type) || oci::media_type::is_manifest(descriptor.media_type);
}

} // namespace

std::vector<oci::Descriptor> children_of(store::Blobs& blobs, const oci::Descriptor& descriptor) {
    if (!is_document(descriptor) || !blobs.find(descriptor.digest))
        return {};
    const std::string text = blobs.read_document(descriptor);
    if (oci::media_type::is_index(descriptor.media_type))
        return oci::parse_index(text, descriptor.media_type, cat("index ", descriptor.digest)).manifests;
    const oci::Manifest manifest =
        oci::parse_manifest(text, descriptor.media_type, cat("manifest ", descriptor.digest));
    std::vector<oci::Descriptor> children{manifest.config};
    children.insert(children.end(), manifest.layers.begin(), manifest.layers.end());
    return children;
}

ImageSummary summarize(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& wish) {
    if (is_document(target) && !blobs.find(target.digest))
        throw Error(ErrorKind::not_found, "content ", target.digest, " not found");
    ImageSummary summary{.size = target.size, .platforms = {}};
    std::vector<oci::Descriptor> manifests{target};
    if (oci::media_type::is_index(target.media_type))
        manifests = children_of(blobs, target);
    std::set<std::string> platforms;
    std::vector<std::optional<oci::Platform>> offers;
    for (const oci::Descriptor& manifest : manifests) {
        std::optional<oci::Platform> platform = manifest.platform;
        if (!platform) {
            const auto children = children_of(blobs, manifest);
            if (!children.empty() && oci::media_type::is_config(children.front().media_type) &&
                blobs.find(children.front().digest))
                platform = oci::parse_config(blobs.read_document(children.front()), "config").platform;
        }
        if (platform && platform->os != "unknown" && platform->architecture != "unknown" && !platform->os.empty())
            platforms.insert(oci::to_string(oci::normalize(*platform)));
        offers.push_back(std::move(platform));
    }
    const bool single = manifests.size() == 1 && manifests.front().digest == target.digest;
    if (const auto best = single ? std::optional<std::size_t>(0) : oci::best_match(wish, offers)) {
        if (!single)
            summary.size += manifests[*best].size;
        for (const oci::Descriptor& child : children_of(blobs, manifests[*best]))
            summary.size += child.size;
    }
    summary.platforms.assign(platforms.begin(), platforms.end());
    return summary;
}

} // namespace lade::transfer
