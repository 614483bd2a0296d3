// SPDX-License-Identifier: Apache-2.0
// One pass over a layer: compressed bytes -> decoder -> limit -> diff ID -> whoever reads the tar.
#pragma once

#include <cstdint>
#include <stop_token>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "oci/digest.hpp"
#include "transfer/image.hpp"
#include "transfer/ratio_source.hpp"

namespace lade::transfer {

// Lets `work` read the tar of the layer to its very end; what that returns. data_loss: the tar has another diff ID, so
// what was made of it is of no use; resource_exhausted: more than `ratio` times the compressed size.
template <typename Work>
auto read_layer(const Layer& layer, Source& compressed, std::uint64_t ratio, const std::stop_token& stop, Work work) {
    const std::unique_ptr<Source> plain = archive::decompress(compressed, layer.descriptor.media_type);
    RatioSource bounded(*plain, layer.descriptor.size, ratio, stop);
    oci::HashingSource hashed(bounded, layer.diff_id.digest.algorithm());
    auto result = work(hashed);
    if (const oci::Digest found = hashed.digest(); found != layer.diff_id.digest)
        throw Error(ErrorKind::data_loss, "wrong diff ID: the config says ", layer.diff_id.digest, ", the layer has ",
                    found);
    return result;
}

} // namespace lade::transfer
