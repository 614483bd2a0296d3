// SPDX-License-Identifier: Apache-2.0
// Images of one namespace, each change one transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "meta/images.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Image;

class Images {
public:
    Images(Store& store, std::string name_space) : store_(store), namespace_(std::move(name_space)) {}

    std::vector<Image> list();
    std::optional<Image> find(const std::string& name);
    // The image, what it refers to held by the lease from now on, whatever becomes of its name.
    std::optional<Image> hold(const std::string& name, LeaseHold& lease);
    // Creates or updates; labels that are there stay, `image.labels` are merged in.
    void put(const Image& image);
    // False when there is none.
    bool remove(const std::string& name);

private:
    Store& store_;
    std::string namespace_;
};

} // namespace lade::store
