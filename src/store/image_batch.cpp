// SPDX-License-Identifier: Apache-2.0
#include "store/image_batch.hpp"

#include "meta/namespaces.hpp"

namespace lade::store {

std::vector<std::optional<oci::Digest>> put_images(Store& store, const std::string& name_space,
                                                   const std::string& lease, const std::deque<ReadImage>& images,
                                                   const std::string& platform) {
    meta::Transaction transaction(store.database());
    meta::Images rows(store.database(), name_space);
    std::vector<std::optional<oci::Digest>> before;
    before.reserve(images.size());
    for (const ReadImage& one : images) {
        const auto was = rows.find(one.image.name);
        before.push_back(was ? std::optional(was->target.digest) : std::nullopt);
        put_image_row(store, name_space, lease, one, platform);
    }
    transaction.commit();
    return before;
}

void put_image_row(Store& store, const std::string& name_space, const std::string& lease, const ReadImage& image,
                   const std::string& platform) {
    meta::Namespaces(store.database()).ensure(name_space);
    hold_by_lease(store, name_space, lease, meta::Images(store.database(), name_space).put(image.image));
    if (image.summary)
        meta::Summaries(store.database()).put(image.image.target.digest, platform, *image.summary);
}

void hold_by_lease(Store& store, const std::string& name_space, const std::string& lease, const Image& image) {
    if (!lease.empty() && image.labels.contains(std::string(oci::label::gc_expire)))
        meta::Leases(store.database(), name_space).add(lease, {.type = "images", .key = image.name});
}

} // namespace lade::store
