// SPDX-License-Identifier: Apache-2.0
#include "store/images.hpp"

#include "meta/namespaces.hpp"

namespace lade::store {

std::vector<Image> Images::list() {
    return meta::Images(store_.database(), namespace_).list();
}

std::optional<Image> Images::find(const std::string& name) {
    return meta::Images(store_.database(), namespace_).find(name);
}

std::optional<Image> Images::hold(const std::string& name, LeaseHold& lease) {
    meta::Transaction transaction(store_.database());
    auto image = find(name);
    if (image)
        lease.add({.type = "content", .key = image->target.digest.string()});
    transaction.commit();
    return image;
}

void Images::put(const Image& image) {
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Images(store_.database(), namespace_).put(image);
    transaction.commit();
}

bool Images::remove(const std::string& name) {
    meta::Transaction transaction(store_.database());
    const bool removed = meta::Images(store_.database(), namespace_).remove(name);
    transaction.commit();
    return removed;
}

} // namespace lade::store
