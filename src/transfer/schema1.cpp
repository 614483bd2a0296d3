// SPDX-License-Identifier: Apache-2.0
#include "transfer/schema1.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/tasks.hpp"
#include "oci/derived_image.hpp"
#include "oci/layer.hpp"
#include "oci/schema1.hpp"
#include "transfer/document.hpp"
#include "transfer/ratio_source.hpp"

namespace lade::transfer {

namespace {

struct FoundLayer {
    oci::Descriptor descriptor;
    std::optional<oci::DiffId> diff_id; // nullopt: not known yet
    bool empty = false;                 // its tar is nothing but zeros
};

using FoundLayers = std::map<oci::Digest, FoundLayer>;

class Conversion {
public:
    Conversion(const RemoteOrigin& origin, const oci::Descriptor& source, std::size_t at_once, std::uint64_t ratio,
               const std::stop_token& stop)
        : origin_(origin), source_(source), at_once_(at_once), ratio_(ratio), stop_(stop) {}

    Root run() {
        oci::Schema1 image = oci::parse_schema1(fetch_payload(), name());
        FoundLayers layers = list_layers(image);
        fetch_whole(layers);
        std::vector<oci::Descriptor> descriptors;
        std::vector<oci::DiffId> diff_ids;
        for (oci::Schema1::Step& step : image.steps) {
            if (step.history.empty_layer)
                continue;
            const FoundLayer& layer = layers.at(step.blob);
            step.history.empty_layer = layer.empty;
            if (layer.empty)
                continue;
            descriptors.push_back(layer.descriptor);
            diff_ids.push_back(*layer.diff_id);
        }

        const std::string config = schema1_config(image, diff_ids);
        const oci::Descriptor config_descriptor =
            put_document(origin_.blobs, config, oci::media_type::oci_config, {}, origin_.lease, stop_);
        const std::string manifest = make_manifest(oci::media_type::oci_manifest, config_descriptor, descriptors);
        Root root{.target = put_manifest(origin_.blobs, manifest, oci::media_type::oci_manifest, origin_.lease, stop_),
                  .labels = {{std::string(oci::label::converted_schema1), source_.digest.string()}}};
        root.documents = {{config_descriptor.digest, config}, {root.target.digest, manifest}};
        return root;
    }

private:
    std::string name() const { return cat("schema 1 manifest ", source_.digest); }

    std::string fetch_payload() {
        return doing([&] { return cat("fetch ", name()); },
                     [&] {
                         if (source_.size > oci::max_schema1)
                             throw Error(ErrorKind::resource_exhausted, source_.size, " bytes, at most ",
                                         oci::max_schema1, " are read");
                         Item& item = origin_.progress.add("manifest", source_.digest.string(), source_.size);
                         item.set(Stage::downloading);
                         const std::string text =
                             receive_document(origin_.repository, source_, stop_,
                                              [&](const std::string& warning) { origin_.progress.warn(warning); });
                         item.set_offset(source_.size);
                         item.set(Stage::downloaded);
                         return oci::schema1_payload(text, "the content");
                     });
    }

    // Those that are wanted, each once, with their sizes, which the manifest does not tell.
    FoundLayers list_layers(const oci::Schema1& image) {
        FoundLayers layers;
        for (const oci::Schema1::Step& step : image.steps)
            if (!step.history.empty_layer)
                layers.try_emplace(step.blob,
                                   FoundLayer{.descriptor = {.media_type = std::string(oci::media_type::docker_layer),
                                                             .digest = step.blob}});
        Limiter limiter(at_once_);
        TaskGroup tasks(stop_);
        for (auto& [digest, layer] : layers) {
            if (const auto blob = origin_.blobs.find(digest)) {
                layer.descriptor.size = blob->size;
                remember(layer, blob->labels);
                continue;
            }
            tasks.start([this, &limiter, &descriptor = layer.descriptor](const std::stop_token& stop) {
                const Limiter::Slot slot(limiter, stop);
                doing([&] { return cat("layer ", descriptor.digest); },
                      [&] { descriptor.size = origin_.repository.resolve_blob(descriptor.digest, false, stop).size; });
            });
        }
        tasks.wait();
        return layers;
    }

    // Both labels, as the other commands write the first one alone.
    static void remember(FoundLayer& layer, const oci::Labels& labels) {
        const auto diff_id = labels.find(std::string(oci::label::uncompressed));
        const auto empty = labels.find(std::string(oci::label::schema1_empty_layer));
        if (diff_id == labels.end() || empty == labels.end())
            return;
        if (const auto digest = oci::Digest::try_parse(diff_id->second)) {
            layer.diff_id = oci::DiffId{*digest};
            layer.empty = empty->second == "true";
        }
    }

    // A layer that was in the store already may turn out to be damaged; it is fetched anew, once.
    void fetch_whole(FoundLayers& layers) {
        std::vector<oci::Descriptor> all;
        all.reserve(layers.size());
        for (const auto& [digest, layer] : layers)
            all.push_back(layer.descriptor);
        try {
            fetch(layers, all);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::data_loss || !make_way_for_layers(origin_, all, stop_))
                throw;
            fetch(layers, all);
        }
    }

    void fetch(FoundLayers& layers, const std::vector<oci::Descriptor>& all) {
        LayerDownloads downloads(origin_, at_once_, stop_);
        downloads.start(all);
        downloads.run_beside([&](const std::stop_token& stop) {
            for (auto& entry : layers) {
                FoundLayer& layer = entry.second;
                if (!layer.diff_id)
                    doing([&] { return cat("read layer ", layer.descriptor.digest); },
                          [&] { read(layer, downloads, stop); });
            }
        });
        downloads.wait();
        std::map<oci::Digest, oci::Labels> labels;
        for (const auto& [digest, layer] : layers)
            labels[digest] = {{std::string(oci::label::uncompressed), layer.diff_id->string()},
                              {std::string(oci::label::schema1_empty_layer), layer.empty ? "true" : "false"}};
        origin_.blobs.label(labels);
    }

    void read(FoundLayer& layer, LayerDownloads& downloads, const std::stop_token& stop) const {
        const std::unique_ptr<Source> compressed = downloads.open(layer.descriptor, stop);
        // A blob that was here is only what its digest says if somebody looks.
        oci::HashingSource verified(*compressed, layer.descriptor.digest.algorithm());
        const std::unique_ptr<Source> plain = archive::decompress(verified, layer.descriptor.media_type);
        RatioSource bounded(*plain, layer.descriptor.size, ratio_, stop);
        oci::Hasher hasher(oci::Algorithm::sha256);
        bool empty = true;
        std::vector<std::byte> buffer(256 * kib);
        for (std::size_t n = bounded.read(buffer); n > 0; n = bounded.read(buffer)) {
            const std::span<const std::byte> bytes(buffer.data(), n);
            hasher.update(bytes);
            empty = empty && std::ranges::all_of(bytes, [](std::byte one) { return one == std::byte{0}; });
        }
        if (const oci::Digest found = verified.digest(); found != layer.descriptor.digest)
            throw Error(ErrorKind::data_loss, "the layer has digest ", found);
        layer.diff_id = oci::DiffId{hasher.finish()};
        layer.empty = empty;
    }

    const RemoteOrigin& origin_;
    const oci::Descriptor& source_;
    std::size_t at_once_;
    std::uint64_t ratio_;
    const std::stop_token& stop_;
};

} // namespace

Root convert_schema1(const RemoteOrigin& origin, const oci::Descriptor& source, std::size_t at_once,
                     std::uint64_t ratio, const std::stop_token& stop) {
    return Conversion(origin, source, at_once, ratio, stop).run();
}

} // namespace lade::transfer
