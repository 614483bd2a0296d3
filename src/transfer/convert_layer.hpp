// SPDX-License-Identifier: Apache-2.0
// A layer in another form: decoded, and encoded anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "archive/estargz.hpp"
#include "store/blobs.hpp"
#include "store/store.hpp"
#include "transfer/image.hpp"
#include "transfer/progress.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

enum class LayerForm { kept, plain, gzip, zstd, estargz };

struct LayerWish {
    LayerForm form = LayerForm::kept;
    std::optional<int> level; // as archive::compress() has it
    // What differs from the usual chunks, for eStargz.
    std::optional<std::uint64_t> chunk_size;
    std::vector<std::string> prioritized;
    Limits limits; // its ratio, and for eStargz entries and bytes
};

// invalid_argument: the level, or something that does not go with the form.
void check(const LayerWish& wish);

// How many layers may be converted at the same time, so that all cores have work and memory stays bounded.
std::size_t layers_at_once(const LayerWish& wish);

struct NewLayer {
    oci::Digest digest;
    std::uint64_t size = 0;
    std::string compression; // "gzip", "zstd" or ""; also of a layer that is as it was, whose type may say otherwise
    oci::DiffId diff_id;
    std::map<std::string, std::string> annotations{};
};

// Converts a layer of the store into a blob that the lease holds, or returns it as it is when it is what is wanted. Any
// number at the same time, in threads. not_found: it is not there; data_loss: it is not what its diff ID says;
// resource_exhausted: the limits. Nothing is left of an attempt that fails.
NewLayer convert_layer(store::Store& store, const std::string& name_space, const Layer& layer, const LayerWish& wish,
                       archive::Budget& budget, store::LeaseHold& lease, Progress& progress,
                       const std::stop_token& stop);

} // namespace lade::transfer
