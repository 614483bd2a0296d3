// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_check.hpp"

#include "transfer/image_summary.hpp"

namespace lade::transfer {

namespace {

bool is_here(store::Blobs& blobs, const oci::Digest& digest, std::vector<Error>& damage) {
    try {
        static_cast<void>(blobs.open(digest));
        return true;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::data_loss)
            damage.push_back(error);
        else if (error.kind() != ErrorKind::not_found)
            throw;
        return false;
    }
}

} // namespace

ImageCheck check_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform) {
    ImageCheck check;
    const auto image = find_platform_image(blobs, target, platform, Standin::none);
    if (!image)
        return check;
    check.available = true;
    std::vector<oci::Descriptor> required{image->manifest.config};
    required.insert(required.end(), image->manifest.layers.begin(), image->manifest.layers.end());
    for (const oci::Descriptor& one : required) {
        ++check.required;
        check.required_size += one.size;
        if (!is_here(blobs, one.digest, check.damage))
            continue;
        ++check.present;
        check.present_size += one.size;
    }
    const oci::Descriptor& config = image->manifest.config;
    if (!oci::media_type::is_config(config.media_type) || !blobs.find(config.digest))
        return check;
    const std::vector<oci::ChainId> chain = oci::chain_ids(image->config.diff_ids);
    check.chain_id = chain.empty() ? oci::empty_chain_id() : chain.back();
    return check;
}

} // namespace lade::transfer
