// SPDX-License-Identifier: Apache-2.0
// Whether all that an image needs on one platform is in the store (containerd-store.md 1.2). Files are looked at, not
// read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "oci/layer.hpp"
#include "store/blobs.hpp"

namespace lade::transfer {

struct ImageCheck {
    // Config and layers; nothing is known of them without the manifest.
    bool available = false;
    std::size_t required = 0;
    std::size_t present = 0;
    std::uint64_t required_size = 0;
    std::uint64_t present_size = 0;
    std::optional<oci::ChainId> chain_id; // of the top layer, when the config is here and an image's
    std::vector<Error> damage;            // data_loss: what is recorded and has no file, or one of another size

    bool complete() const noexcept { return available && present == required; }
};

// data_loss: the index, manifest or config is damaged.
ImageCheck check_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform);

} // namespace lade::transfer
