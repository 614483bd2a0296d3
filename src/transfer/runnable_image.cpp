// SPDX-License-Identifier: Apache-2.0
#include "transfer/runnable_image.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.hpp"

namespace lade::transfer {

std::vector<PlatformImage> runnable_images(store::Blobs& blobs, const ImageTree& tree) {
    std::vector<PlatformImage> images;
    for (const Document& document : tree.documents) {
        const oci::Descriptor& descriptor = document.descriptor;
        if (!oci::media_type::is_manifest(descriptor.media_type) || oci::is_attestation(descriptor))
            continue;
        PlatformImage image{
            .manifest_descriptor = descriptor,
            .manifest = oci::parse_manifest(document.text, descriptor.media_type, cat("manifest ", descriptor.digest)),
            .config = {}};
        if (!image.is_image())
            continue;
        const oci::Descriptor& config = image.manifest.config;
        image.config = oci::parse_config(blobs.read_document(config), cat("config ", config.digest));
        images.push_back(std::move(image));
    }
    return images;
}

std::optional<std::size_t> best_image(const std::vector<PlatformImage>& images,
                                      const std::vector<oci::Platform>& wishes) {
    std::vector<std::optional<oci::Platform>> offers;
    std::ranges::transform(images, std::back_inserter(offers), [](const PlatformImage& image) {
        const auto& told = image.manifest_descriptor.platform;
        return told && !told->os.empty() ? told : image.config.platform;
    });
    if (wishes.empty())
        return oci::best_match(oci::host_platform(), offers);
    for (const oci::Platform& wish : wishes)
        if (const auto match = oci::exact_match(wish, offers))
            return match;
    return std::nullopt;
}

} // namespace lade::transfer
