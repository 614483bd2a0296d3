// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_check.hpp"

#include <algorithm>
#include <utility>

#include "base/parallel.hpp"
#include "base/size.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/verified_source.hpp"

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

std::optional<Error> BlobVerifier::verify(const oci::Descriptor& blob, const std::stop_token& stop) {
    try {
        VerifiedSource source(open_stored(blobs_, blob), blob.digest, blob.size, cat("content ", blob.digest), stop);
        std::vector<std::byte> buffer(256 * kib);
        while (source.read(buffer) > 0) {
        }
        return std::nullopt;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::data_loss)
            throw;
        return error;
    }
}

void BlobVerifier::read(const std::vector<oci::Descriptor>& blobs) {
    std::vector<std::pair<const oci::Descriptor*, std::optional<Error>>> unread;
    for (const oci::Descriptor& blob : blobs)
        if (!known_.contains(blob.digest))
            unread.emplace_back(&blob, std::nullopt);
    in_parallel(unread.size(), at_once_, stop_,
                [&](std::size_t i, const std::stop_token& stop) { unread[i].second = verify(*unread[i].first, stop); });
    for (auto& [blob, damage] : unread)
        known_.emplace(blob->digest, std::move(damage));
}

ImageCheck check_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform,
                       BlobVerifier* verifier) {
    ImageCheck check;
    const auto image = find_platform_image(blobs, target, platform, Standin::none);
    if (!image)
        return check;
    check.available = true;
    std::vector<oci::Descriptor> required{image->manifest.config};
    required.insert(required.end(), image->manifest.layers.begin(), image->manifest.layers.end());
    check.required = required.size();
    for (const oci::Descriptor& one : required)
        check.required_size += one.size;
    std::erase_if(required, [&](const oci::Descriptor& one) { return !is_here(blobs, one.digest, check.damage); });
    if (verifier != nullptr) {
        verifier->read(required);
        std::erase_if(required, [&](const oci::Descriptor& one) {
            const std::optional<Error>& damage = verifier->damage(one.digest);
            if (damage)
                check.damage.push_back(*damage);
            check.spoilt += damage ? 1 : 0;
            return damage.has_value();
        });
    }
    check.present = required.size();
    for (const oci::Descriptor& one : required)
        check.present_size += one.size;
    const oci::Descriptor& config = image->manifest.config;
    if (!oci::media_type::is_config(config.media_type) || !blobs.find(config.digest))
        return check;
    const std::vector<oci::ChainId> chain = oci::chain_ids(image->config.diff_ids);
    check.chain_id = chain.empty() ? oci::empty_chain_id() : chain.back();
    return check;
}

} // namespace lade::transfer
