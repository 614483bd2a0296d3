// SPDX-License-Identifier: Apache-2.0
#include "store/image_batch.hpp"

#include "meta/namespaces.hpp"

namespace lade::store {

std::vector<std::optional<Image>> put_images(Store& store, const std::string& name_space, const std::string& lease,
                                             const std::vector<ReadImage>& images, const std::string& platform) {
    meta::Transaction transaction(store.database());
    meta::Namespaces(store.database()).ensure(name_space);
    meta::Images rows(store.database(), name_space);
    std::vector<std::optional<Image>> before;
    before.reserve(images.size());
    for (const ReadImage& one : images) {
        before.push_back(rows.find(one.image.name));
        hold_by_lease(store, name_space, lease, rows.put(one.image));
        if (one.summary)
            meta::Summaries(store.database()).put(one.image.target.digest, platform, *one.summary);
    }
    transaction.commit();
    return before;
}

void hold_by_lease(Store& store, const std::string& name_space, const std::string& lease, const Image& image) {
    if (!lease.empty() && image.labels.contains(std::string(oci::label::gc_expire)))
        meta::Leases(store.database(), name_space).add(lease, {.type = "images", .key = image.name});
}

} // namespace lade::store
