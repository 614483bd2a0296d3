// SPDX-License-Identifier: Apache-2.0
#include "transfer/flat_image.hpp"

#include <algorithm>

#include "archive/flat_writer.hpp"
#include "archive/flatten.hpp"
#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "transfer/read_layer.hpp"
#include "transfer/stored_image.hpp"

namespace lade::transfer {

namespace {

using archive::EntryType;
using archive::FlatTree;

void check_blob(const Fd& file, const oci::Digest& digest, const std::stop_token& stop) {
    FileSource bytes(file.get(), digest.string());
    oci::HashingSource hashed(bytes, digest.algorithm());
    std::vector<std::byte> buffer(256 * kib);
    while (hashed.read(buffer) > 0)
        check_stop(stop);
    if (hashed.digest() != digest)
        throw Error(ErrorKind::data_loss, "content ", digest, ": its file has other bytes");
}

// Before the first of them is read, which may take long.
void open_all(const std::vector<Layer>& all, StoredLayers& layers) {
    for (const Layer& layer : all)
        layers.add(layer);
}

// What was not applied yet, of the layers from `begin` to `end`.
void flatten_layers(FlatImage& flat, const std::vector<Layer>& all, std::size_t begin, std::size_t end,
                    archive::Budget& budget, StoredLayers& layers, const std::stop_token& stop) {
    for (std::size_t i = begin; i < end; ++i) {
        const std::uint32_t number = layers.add(all[i]);
        layers.read(
            number,
            [&](Source& tar) {
                archive::Warnings more = archive::flatten(tar, number, flat.tree, budget, stop);
                for (std::string& warning : more.warnings)
                    flat.warnings.warn(std::move(warning));
                flat.warnings.unsaid_warnings += more.unsaid_warnings;
            },
            stop);
    }
}

std::string_view word_for(EntryType type) {
    switch (type) {
    case EntryType::directory:
        return "a directory";
    case EntryType::symlink:
        return "a symbolic link";
    case EntryType::fifo:
        return "a FIFO";
    case EntryType::char_device:
    case EntryType::block_device:
        return "a device";
    case EntryType::file:
    case EntryType::hard_link:
        break;
    }
    return "a file";
}

} // namespace

std::uint32_t StoredLayers::add(const Layer& layer) {
    const auto found = std::ranges::find_if(
        layers_, [&](const Open& one) { return one.layer.diff_id.digest == layer.diff_id.digest; });
    if (found != layers_.end())
        return static_cast<std::uint32_t>(found - layers_.begin());
    layers_.push_back({.layer = layer, .file = blobs_.open(layer.descriptor.digest)});
    return static_cast<std::uint32_t>(layers_.size() - 1);
}

void StoredLayers::read(std::uint32_t number, const std::function<void(Source& tar)>& work,
                        const std::stop_token& stop) const {
    const Layer& layer = layers_[number].layer;
    const Fd& file = layers_[number].file;
    doing([&] { return cat("layer ", layer.descriptor.digest); },
          [&] {
              try {
                  FileSource compressed(file.get(), layer.descriptor.digest.string());
                  read_layer(layer, compressed, limits_.ratio, stop, [&](Source& tar) {
                      work(tar);
                      return true;
                  });
              } catch (const Error& error) {
                  // What damaged bytes are taken for says little; that they are damaged says it all.
                  if (error.kind() == ErrorKind::invalid_argument || error.kind() == ErrorKind::data_loss ||
                      error.kind() == ErrorKind::failed_precondition)
                      check_blob(file, layer.descriptor.digest, stop);
                  throw;
              }
          });
}

archive::ReadLayer StoredLayers::reader(const std::stop_token& stop) const {
    return
        [this, stop](std::uint32_t number, const std::function<void(Source & tar)>& work) { read(number, work, stop); };
}

FlatImage flatten_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform,
                        const archive::Limits& limits, StoredLayers& layers, const std::stop_token& stop) {
    FlatImage flat{.image = get_stored_image(blobs, target, platform), .tree = {}, .warnings = {}};
    const std::vector<Layer> all = layers_of(flat.image);
    open_all(all, layers);
    archive::Budget budget(limits);
    flatten_layers(flat, all, 0, all.size(), budget, layers, stop);
    return flat;
}

FlatPair flatten_images(store::Blobs& blobs, const oci::Descriptor& first, const oci::Descriptor& second,
                        const oci::Platform& platform, const archive::Limits& limits, StoredLayers& layers,
                        const std::stop_token& stop) {
    FlatImage one{.image = get_stored_image(blobs, first, platform), .tree = {}, .warnings = {}};
    PlatformImage other = get_stored_image(blobs, second, platform);
    const std::vector<Layer> a = layers_of(one.image);
    const std::vector<Layer> b = layers_of(other);
    open_all(a, layers);
    open_all(b, layers);
    const auto same = [](const Layer& x, const Layer& y) { return x.diff_id.digest == y.diff_id.digest; };
    const auto common =
        static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end(), same).first - a.begin());
    archive::Budget budget(limits);
    flatten_layers(one, a, 0, common, budget, layers, stop);
    FlatImage two{.image = std::move(other), .tree = one.tree, .warnings = one.warnings};
    flatten_layers(one, a, common, a.size(), budget, layers, stop);
    archive::Budget rest(limits);
    flatten_layers(two, b, common, b.size(), rest, layers, stop);
    return {.first = std::move(one), .second = std::move(two)};
}

FlatTree::Id get_file(const FlatTree& tree, const std::string& path) {
    const auto id = doing([&] { return printable(path); }, [&] { return tree.find(path, FlatTree::Last::followed); });
    if (!id)
        throw Error(ErrorKind::not_found, printable(path), " not found");
    const EntryType type = tree.node(*id).type;
    if (type != EntryType::file)
        throw Error(ErrorKind::failed_precondition, printable(path), " is ", word_for(type));
    return *id;
}

void write_files(const FlatTree& tree, const std::vector<FlatTree::Id>& files, const StoredLayers& layers, Sink& sink,
                 const std::stop_token& stop) {
    const auto goes_on = [&](FlatTree::Id a, FlatTree::Id b) {
        return tree.node(a).layer == tree.node(b).layer && tree.node(a).entry < tree.node(b).entry;
    };
    for (auto begin = files.begin(); begin != files.end();) {
        auto end = std::next(begin);
        while (end != files.end() && goes_on(*std::prev(end), *end))
            ++end;
        const auto has_data = [&](FlatTree::Id id) { return tree.node(id).size > 0; };
        if (std::any_of(begin, end, has_data))
            layers.read(
                tree.node(*begin).layer,
                [&](Source& tar) {
                    archive::EntryData data(tar);
                    for (auto at = begin; at != end; ++at)
                        if (has_data(*at))
                            data.copy(tree.node(*at).entry, tree.node(*at).size, sink, stop);
                    data.finish(stop);
                },
                stop);
        begin = end;
    }
}

archive::Warnings write_rootfs(const FlatTree& tree, const StoredLayers& layers, Sink& sink,
                               const std::stop_token& stop) {
    return archive::write_flat(tree, layers.reader(stop), sink, stop);
}

} // namespace lade::transfer
