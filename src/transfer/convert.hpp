// SPDX-License-Identifier: Apache-2.0
// `images convert`: an image whose layers are kept in another form, whose documents are OCI's, or that has fewer
// platforms (registry-and-unpack.md 7.3).
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/platform.hpp"
#include "store/store.hpp"
#include "transfer/convert_layer.hpp"

namespace lade::transfer {

struct ConvertOptions {
    std::string name_space;
    std::string lease;                    // of people, that holds what is made; "" for none
    std::string source;                   // an image's name, in full
    std::string name;                     // of the new one, which may be the same
    std::vector<oci::Platform> platforms; // empty: all that there are
    LayerWish layers;
    bool oci = false; // docker's types become OCI's; zstd and eStargz need it, and imply it
};

struct ConvertedImage {
    oci::Descriptor target;
    std::size_t layers = 0;              // that are other blobs now
    std::optional<oci::Digest> replaced; // what else had the name
};

// The image `name` has the labels of the source. An index keeps the platforms of the wish, and stays one; a manifest is
// taken whatever it is for. What is in the wanted form keeps its digest, up to the whole image. What is about a digest
// that changed goes with a warning: attestations of such a manifest. Layers that are not to be distributed are
// converted if they are here. The same gives the same image. not_found: the source, or a platform;
// failed_precondition: a part of what is wanted is not in the store; invalid_argument: it is no image, or the wish;
// data_loss: a layer is not what the config says. After an error nothing is named; blobs go with the next collection.
ConvertedImage convert_image(store::Store& store, const ConvertOptions& options, Progress& progress,
                             const std::stop_token& stop);

} // namespace lade::transfer
