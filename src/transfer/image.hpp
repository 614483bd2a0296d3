// SPDX-License-Identifier: Apache-2.0
// From a root descriptor to the images in it: index, manifest and config are walked, platforms chosen
// (registry-and-unpack.md 3.2, 3.5; safety.md 3.2).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/manifest.hpp"

namespace lade::transfer {

// One platform's image: everything that must be there before it can be unpacked.
struct PlatformImage {
    oci::Descriptor manifest_descriptor;
    oci::Manifest manifest;
    oci::ImageConfig config; // empty for an artifact whose config is not an image's

    // False for an artifact: there is nothing in it to unpack.
    bool is_image() const noexcept { return oci::media_type::is_config(manifest.config.media_type); }
};

struct PlatformChoice {
    std::vector<oci::Platform> platforms; // normalised; not empty unless `all`
    bool all = false;
    // The documents of all other platforms are read, too: with the target every manifest and config is there.
    bool all_documents = false;
};

// Gives the text of an index, manifest or config: from the store, or from a registry into the store.
using ReadDocument = std::function<std::string(const oci::Descriptor&)>;

// One image per wanted platform, in the order of the wish; with `all`, every manifest that can be read.
// A root that is a manifest is taken whatever its platform. not_found names the platforms that there are;
// resource_exhausted: too many or too deep indexes; invalid_argument: the root is neither.
std::vector<PlatformImage> choose_images(const oci::Descriptor& root, const PlatformChoice& choice,
                                         const ReadDocument& read);

// What to say of the image of a root that is a manifest, which is taken whatever its platform (3.5), but not in
// silence: that it is for none of `wishes`. nullopt: it is, or does not say, or there are none.
std::optional<std::string> other_platform(const PlatformImage& image, const std::vector<oci::Platform>& wishes);

// Layers and diff IDs, paired; invalid_argument when their numbers differ or a layer is of no layer type.
struct Layer {
    oci::Descriptor descriptor;
    oci::DiffId diff_id;
};
std::vector<Layer> layers_of(const PlatformImage& image);

} // namespace lade::transfer
