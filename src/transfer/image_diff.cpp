// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_diff.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "oci/digest.hpp"

namespace lade::transfer {

namespace {

using archive::FlatTree;

// Where data lies: layer and entry.
using Place = std::pair<std::uint32_t, std::uint32_t>;

class HashSink final : public Sink {
public:
    void write(std::span<const std::byte> bytes) override { hasher_.update(bytes); }
    oci::Digest digest() { return hasher_.finish(); }

private:
    oci::Hasher hasher_{oci::Algorithm::sha256};
};

Place place_of(const FlatTree::Node& node) {
    return {node.layer, node.entry};
}

class Contents {
public:
    explicit Contents(const FlatPair& images) : images_(images) {}

    // First the files that are to be looked at are only collected.
    bool same(FlatTree::Id a, FlatTree::Id b) {
        const FlatTree::Node& one = images_.first.tree.node(a);
        const FlatTree::Node& other = images_.second.tree.node(b);
        if (place_of(one) == place_of(other))
            return true;
        if (hashed_)
            return files_.at(place_of(one)).digest == files_.at(place_of(other)).digest;
        files_.try_emplace(place_of(one), File{.size = one.size, .digest = std::nullopt});
        files_.try_emplace(place_of(other), File{.size = other.size, .digest = std::nullopt});
        return true;
    }

    void hash(const StoredLayers& layers, const std::stop_token& stop) {
        hashed_ = true;
        for (auto begin = files_.begin(); begin != files_.end();) {
            const std::uint32_t layer = begin->first.first;
            const auto end = files_.lower_bound(Place(layer + 1, 0));
            layers.read(
                layer,
                [&](Source& tar) {
                    archive::EntryData data(tar);
                    for (auto at = begin; at != end; ++at) {
                        HashSink sink;
                        data.copy(at->first.second, at->second.size, sink, stop);
                        at->second.digest = sink.digest();
                    }
                    data.finish(stop);
                },
                stop);
            begin = end;
        }
    }

private:
    struct File {
        std::uint64_t size = 0;
        std::optional<oci::Digest> digest;
    };

    const FlatPair& images_;
    std::map<Place, File> files_; // by layer, in the order of its entries
    bool hashed_ = false;
};

} // namespace

void compare_images(const FlatPair& images, const StoredLayers& layers,
                    const std::function<void(const archive::FlatChange&)>& receiver, const std::stop_token& stop) {
    Contents contents(images);
    const archive::SameData same = [&](FlatTree::Id a, FlatTree::Id b) { return contents.same(a, b); };
    const auto compare = [&](const std::function<void(const archive::FlatChange&)>& to) {
        archive::compare_flat(images.first.tree, images.second.tree, same, to);
    };
    compare([](const archive::FlatChange&) {});
    contents.hash(layers, stop);
    compare(receiver);
}

} // namespace lade::transfer
