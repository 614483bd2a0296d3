// SPDX-License-Identifier: Apache-2.0
// Images of the store read without being unpacked: the flat tree of their layers, and what is in its files. Needs no
// privilege, writes nothing. Everything that is handed out was verified before its first byte.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "archive/budget.hpp"
#include "archive/entry_data.hpp"
#include "archive/flat_tree.hpp"
#include "archive/warnings.hpp"
#include "base/fd.hpp"
#include "base/stream.hpp"
#include "store/blobs.hpp"
#include "transfer/image.hpp"

namespace lade::transfer {

// The layers of one image, or of several that are read together: a number stands for a diff ID. Their blobs stay open,
// so that a collection meanwhile takes nothing away.
class StoredLayers {
public:
    StoredLayers(store::Blobs& blobs, const archive::Limits& limits) : blobs_(blobs), limits_(limits) {}

    // not_found: it is not in the store; data_loss: its file is missing or has another size.
    std::uint32_t add(const Layer& layer);
    const Layer& layer(std::uint32_t number) const { return layers_[number].layer; }
    // As archive::ReadLayer has it. data_loss: the blob is damaged, or the diff ID is another one.
    void read(std::uint32_t number, const std::function<void(Source& tar)>& work, const std::stop_token& stop) const;
    archive::ReadLayer reader(const std::stop_token& stop) const;

private:
    struct Open {
        Layer layer;
        Fd file;
    };

    store::Blobs& blobs_;
    archive::Limits limits_;
    std::vector<Open> layers_;
};

struct FlatImage {
    PlatformImage image;
    archive::FlatTree tree;
    archive::Warnings warnings;
};

// All layers are read. Errors as those of get_stored_image(), StoredLayers and archive::flatten(); invalid_argument and
// unimplemented: as layers_of().
FlatImage flatten_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform,
                        const archive::Limits& limits, StoredLayers& layers, const std::stop_token& stop);

// The same of two images, whose common layers at the bottom are read once.
struct FlatPair {
    FlatImage first;
    FlatImage second;
};
FlatPair flatten_images(store::Blobs& blobs, const oci::Descriptor& first, const oci::Descriptor& second,
                        const oci::Platform& platform, const archive::Limits& limits, StoredLayers& layers,
                        const std::stop_token& stop);

// The regular file that a path leads to, links followed inside the image. not_found; failed_precondition: it is
// something else, which is said.
archive::FlatTree::Id get_file(const archive::FlatTree& tree, const std::string& path);

// Writes the data of these files, one after another. Files of one layer that come in the order of its entries take one
// pass over it.
void write_files(const archive::FlatTree& tree, const std::vector<archive::FlatTree::Id>& files,
                 const StoredLayers& layers, Sink& sink, const std::stop_token& stop);

// Writes the whole tree as one tar (archive::write_flat).
archive::Warnings write_rootfs(const archive::FlatTree& tree, const StoredLayers& layers, Sink& sink,
                               const std::stop_token& stop);

} // namespace lade::transfer
