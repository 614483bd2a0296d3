// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_diff.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <deque>
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

// What is remembered of a file: there may be as many as images have files, so no more than it takes.
struct File {
    Place place;
    std::uint64_t size = 0;
    std::array<unsigned char, 32> hash{};

    void keep(const oci::Digest& digest) {
        const char* text = digest.hex().data();
        for (std::size_t i = 0; i < hash.size(); ++i)
            std::from_chars(text + 2 * i, text + 2 * i + 2, hash[i], 16);
    }
};

bool comes_first(const File& one, const File& other) {
    return one.place < other.place;
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
            return find(one).hash == find(other).hash;
        for (const FlatTree::Node* node : {&one, &other})
            files_.push_back({.place = place_of(*node), .size = node->size, .hash = {}});
        return true;
    }

    void hash(const StoredLayers& layers, const std::stop_token& stop) {
        hashed_ = true;
        // By layer, in the order of its entries; a file with several names is there several times.
        std::ranges::sort(files_, comes_first);
        const auto same = [](const File& one, const File& other) { return one.place == other.place; };
        files_.erase(std::unique(files_.begin(), files_.end(), same), files_.end());
        for (auto begin = files_.begin(); begin != files_.end();) {
            const std::uint32_t layer = begin->place.first;
            const auto end =
                std::find_if(begin, files_.end(), [&](const File& file) { return file.place.first != layer; });
            layers.read(
                layer,
                [&](Source& tar) {
                    archive::EntryData data(tar);
                    for (auto at = begin; at != end; ++at) {
                        HashSink sink;
                        data.copy(at->place.second, at->size, sink, stop);
                        at->keep(sink.digest());
                    }
                    data.finish(stop);
                },
                stop);
            begin = end;
        }
    }

private:
    const File& find(const FlatTree::Node& node) const {
        return *std::ranges::lower_bound(files_, File{.place = place_of(node)}, comes_first);
    }

    const FlatPair& images_;
    std::deque<File> files_; // which never has two copies of itself, as a vector that grows
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
