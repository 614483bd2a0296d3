// SPDX-License-Identifier: Apache-2.0
// Rows of images, in one namespace (containerd-store.md 2.5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/labels.hpp"
#include "oci/manifest.hpp"

namespace lade::meta {

struct Image {
    std::string name;
    oci::Descriptor target; // digest, size, media type, annotations; the rest is not kept
    oci::Labels labels;
    Time created{};
    Time updated{};
};

class Images {
public:
    Images(Database& database, std::string name_space) : database_(database), namespace_(std::move(name_space)) {}

    // In byte order of the name.
    std::vector<Image> list();
    std::optional<Image> find(const std::string& name);
    // Creates, or updates the target of an existing name and merges `image.labels` into the labels it has:
    // what the user set stays. The times of `image` are ignored. Validates name, labels, size and type.
    void put(const Image& image);
    // False when there is none.
    bool remove(const std::string& name);

private:
    Image from_row(const Statement& row);

    Database& database_;
    std::string namespace_;
};

} // namespace lade::meta
