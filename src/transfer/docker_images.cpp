// SPDX-License-Identifier: Apache-2.0
#include "transfer/docker_images.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "archive/compress.hpp"
#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "oci/derived_image.hpp"
#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
#include "oci/schema1.hpp"
#include "transfer/document.hpp"
#include "transfer/ratio_source.hpp"

namespace lade::transfer {

namespace {

constexpr std::string_view plain_layer = "application/vnd.docker.image.rootfs.diff.tar";
constexpr std::string_view zstd_layer = "application/vnd.docker.image.rootfs.diff.tar.zstd";

std::string_view type_of(archive::Compression compression) {
    switch (compression) {
    case archive::Compression::gzip:
        return oci::media_type::docker_layer;
    case archive::Compression::zstd:
        return zstd_layer;
    case archive::Compression::none:
        break;
    }
    return plain_layer;
}

archive::Compression sniff(Source& source) {
    std::array<std::byte, 4> beginning{};
    std::size_t have = 0;
    while (have < beginning.size()) {
        const std::size_t n = source.read(std::span(beginning).subspan(have));
        if (n == 0)
            break;
        have += n;
    }
    return archive::compression_of(std::span(beginning).first(have));
}

// Ends with the wish to stop.
void pass_on(Source& from, Sink& to, const std::stop_token& stop) {
    std::vector<std::byte> buffer(256 * kib);
    for (std::size_t n = from.read(buffer); n > 0; n = from.read(buffer)) {
        check_stop(stop);
        to.write(std::span(buffer).first(n));
    }
}

class Nowhere final : public Sink {
public:
    void write(std::span<const std::byte> /*bytes*/) override {}
};

class Layers {
public:
    Layers(const Origin& origin, const ImageFiles& files, const DockerRules& rules, const std::stop_token& stop)
        : origin_(origin), files_(files), rules_(rules), stop_(stop) {}

    // One that the store has: as it is rather wanted, or else in the other form.
    std::optional<oci::Descriptor> find_stored(const oci::DiffId& diff_id) {
        auto found = rules_.compress ? find_compressed(diff_id) : find_plain(diff_id);
        if (!found)
            found = rules_.compress ? find_plain(diff_id) : find_compressed(diff_id);
        return found;
    }

    archive::Compression compression_of(const ImageFile& file) const { return sniff(*files_.open(file, 0)); }

    // The file as it is, as a blob.
    oci::Descriptor store(const ImageFile& file) {
        const archive::Compression compression = compression_of(file);
        const oci::Digest digest = file.digest ? *file.digest
                                               : write(
                                                     [&](Source& bytes, Sink& sink) {
                                                         pass_on(bytes, sink, stop_);
                                                         return oci::Labels{};
                                                     },
                                                     file);
        return {.media_type = std::string(type_of(compression)), .digest = digest, .size = file.size};
    }

    // A plain layer, compressed.
    oci::Descriptor compress(const ImageFile& file, const oci::DiffId& diff_id) {
        const oci::Digest digest = write(
            [&](Source& bytes, Sink& sink) {
                oci::HashingSource hashed(bytes, diff_id.digest.algorithm());
                const auto compressor = archive::compress(sink, oci::media_type::docker_layer);
                pass_on(hashed, *compressor, stop_);
                compressor->finish();
                require_same(hashed.digest(), diff_id);
                return oci::Labels{{std::string(oci::label::uncompressed), diff_id.string()}};
            },
            file);
        return {.media_type = std::string(oci::media_type::docker_layer),
                .digest = digest,
                .size = origin_.blobs.get(digest).size};
    }

    // What a stored layer is when it is decompressed.
    oci::DiffId diff_id_of(const oci::Descriptor& layer) {
        if (layer.media_type == plain_layer)
            return {layer.digest};
        const std::unique_ptr<Source> compressed = open_stored(origin_.blobs, layer);
        const std::unique_ptr<Source> plain = archive::decompress(*compressed);
        RatioSource bounded(*plain, layer.size, rules_.ratio, stop_);
        oci::HashingSource hashed(bounded, oci::Algorithm::sha256);
        Nowhere nowhere;
        pass_on(hashed, nowhere, stop_);
        oci::DiffId diff_id{hashed.digest()};
        origin_.blobs.label(layer.digest, {{std::string(oci::label::uncompressed), diff_id.string()}});
        return diff_id;
    }

    static void require_same(const oci::Digest& digest, const oci::DiffId& diff_id) {
        if (digest != diff_id.digest)
            throw Error(ErrorKind::data_loss, "the layer has digest ", digest, ", the config says ", diff_id.digest);
    }

private:
    std::optional<oci::Descriptor> find_plain(const oci::DiffId& diff_id) {
        const auto blob = origin_.blobs.find(diff_id.digest);
        return blob ? hold({.media_type = std::string(plain_layer), .digest = blob->digest, .size = blob->size})
                    : std::nullopt;
    }

    std::optional<oci::Descriptor> find_compressed(const oci::DiffId& diff_id) {
        const auto compressed = compressed_layers().find(diff_id.string());
        if (compressed == compressed_layers().end())
            return std::nullopt;
        auto layer = hold(compressed->second);
        if (layer)
            layer->media_type = type_of(sniff(*open_stored(origin_.blobs, *layer)));
        return layer;
    }

    // By what they say that they are when they are decompressed.
    const std::map<std::string, oci::Descriptor>& compressed_layers() {
        if (!compressed_) {
            compressed_.emplace();
            for (const store::Blob& blob : origin_.blobs.list())
                if (const auto label = blob.labels.find(std::string(oci::label::uncompressed));
                    label != blob.labels.end())
                    compressed_->emplace(label->second,
                                         oci::Descriptor{.media_type = {}, .digest = blob.digest, .size = blob.size});
        }
        return *compressed_;
    }

    std::optional<oci::Descriptor> hold(oci::Descriptor layer) {
        origin_.blobs.hold({layer}, origin_.lease);
        return origin_.blobs.is_whole(layer) ? std::optional(std::move(layer)) : std::nullopt;
    }

    template <typename Work>
    oci::Digest write(const Work& work, const ImageFile& file) {
        Item& item = origin_.progress.add("layer", printable(file.name), file.size);
        item.set(origin_.provider.arriving());
        oci::Digest digest = origin_.blobs.put(
            [&](Sink& sink) {
                const std::unique_ptr<Source> bytes = files_.open(file, 0);
                CountingSink counted(sink, item);
                oci::Labels labels = work(*bytes, counted);
                item.set_offset(file.size);
                return labels;
            },
            cat("import-", random_text(12)), origin_.lease, stop_);
        item.set(origin_.provider.arrived());
        return digest;
    }

    const Origin& origin_;
    const ImageFiles& files_;
    const DockerRules& rules_;
    std::stop_token stop_;
    std::optional<std::map<std::string, oci::Descriptor>> compressed_;
};

std::vector<oci::Descriptor> named(oci::Descriptor image, const std::vector<std::string>& names) {
    std::vector<oci::Descriptor> list;
    for (const std::string& name : names) {
        image.annotations = {{std::string(oci::annotation::image_name), name}};
        if (const auto tag = oci::Reference::parse(name).tag())
            image.annotations.emplace(oci::annotation::reference_name, *tag);
        list.push_back(image);
    }
    if (list.empty())
        list.push_back(std::move(image));
    return list;
}

class Conversion {
public:
    Conversion(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider, const DockerRules& rules,
               MissingBlobs& missing, const std::stop_token& stop)
        : origin_(origin),
          files_(files),
          provider_(provider),
          rules_(rules),
          missing_(missing),
          stop_(stop),
          layers_(origin, files, rules, stop) {}

    std::vector<oci::Descriptor> convert(const oci::DockerImage& image) {
        const auto file = files_.find(image.config);
        if (!file)
            throw Error(files_.is_cut() ? ErrorKind::data_loss : ErrorKind::invalid_argument, "its config ",
                        printable(image.config), " is not in the archive",
                        files_.is_cut() ? ", which is cut short" : "");
        const std::string text = files_.read(*file, oci::max_document);
        const oci::ImageConfig config = oci::parse_config(text, printable(image.config));
        // A config that is named by its digest is that one.
        if (const auto told = told_digest(image.config); told && *told != oci::Digest::of(text))
            throw Error(ErrorKind::data_loss, printable(image.config), ": has digest ", oci::Digest::of(text));
        std::vector<oci::Descriptor> wanted;
        for (oci::Descriptor& one :
             named({.media_type = {}, .digest = oci::Digest::of(text), .platform = config.platform}, image.names))
            if (rules_.is_wanted(one))
                wanted.push_back(std::move(one));
        if (wanted.empty())
            return wanted;
        const auto layers = find_layers(image, config);
        if (!layers)
            return {};
        const oci::Descriptor config_descriptor =
            put_document(origin_.blobs, text, oci::media_type::docker_config, {}, origin_.lease, stop_);
        const oci::Descriptor manifest = put_manifest(origin_.blobs, oci::docker_manifest(config_descriptor, *layers),
                                                      oci::media_type::docker_manifest, origin_.lease, stop_);
        for (oci::Descriptor& one : wanted) {
            one.media_type = manifest.media_type;
            one.digest = manifest.digest;
            one.size = manifest.size;
        }
        return wanted;
    }

private:
    // HEX.json, or where a layout has its blobs.
    static std::optional<oci::Digest> told_digest(const std::string& name) {
        if (auto blob = oci::layout::find_blob(name))
            return blob;
        constexpr std::string_view suffix = ".json";
        return name.ends_with(suffix)
                   ? oci::Digest::try_parse(cat("sha256:", name.substr(0, name.size() - suffix.size())))
                   : std::nullopt;
    }

    // nullopt: some are missing.
    std::optional<std::vector<oci::Descriptor>> find_layers(const oci::DockerImage& image,
                                                            const oci::ImageConfig& config) {
        if (image.layers.size() != config.diff_ids.size())
            throw Error(ErrorKind::invalid_argument, printable(image.config), ": ", config.diff_ids.size(),
                        " diff IDs for ", image.layers.size(), " layers");
        std::vector<oci::Descriptor> layers;
        for (std::size_t i = 0; i < image.layers.size(); ++i) {
            const auto layer = doing([&] { return printable(image.layers[i]); },
                                     [&] { return find_layer(image.layers[i], config.diff_ids[i]); });
            if (layer)
                layers.push_back(*layer);
            else
                missing_.add("layer", config.diff_ids[i].digest,
                             cat(image.names.empty() ? image.config : image.names.front(), " (", image.layers[i], ')'));
        }
        return layers.size() == image.layers.size() ? std::optional(std::move(layers)) : std::nullopt;
    }

    std::optional<oci::Descriptor> find_layer(const std::string& name, const oci::DiffId& diff_id) {
        if (const auto known = known_.find(diff_id); known != known_.end())
            return known->second;
        auto layer = make_layer(name, diff_id);
        if (layer)
            known_.emplace(diff_id, *layer);
        return layer;
    }

    std::optional<oci::Descriptor> make_layer(const std::string& name, const oci::DiffId& diff_id) {
        const auto file = files_.find(name);
        const bool plain = file && layers_.compression_of(*file) == archive::Compression::none;
        if (plain && file->digest)
            Layers::require_same(*file->digest, diff_id);
        if (auto stored = layers_.find_stored(diff_id);
            stored && (!rules_.compress || stored->media_type != plain_layer || !file))
            return stored;
        if (!file)
            return std::nullopt;
        if (plain && rules_.compress)
            return layers_.compress(*file, diff_id);
        if (!plain)
            return layers_.store(*file);
        // Where it is read it is verified.
        provider_.add(diff_id.digest, *file);
        return oci::Descriptor{.media_type = std::string(plain_layer), .digest = diff_id.digest, .size = file->size};
    }

    const Origin& origin_;
    const ImageFiles& files_;
    ArchiveProvider& provider_;
    const DockerRules& rules_;
    MissingBlobs& missing_;
    std::stop_token stop_;
    Layers layers_;
    std::map<oci::DiffId, oci::Descriptor> known_;
};

// From the bottom up.
std::vector<std::pair<std::string, oci::DockerLayer>> read_chain(const ImageFiles& files, const std::string& top) {
    constexpr std::size_t max_layers = 1000;
    std::vector<std::pair<std::string, oci::DockerLayer>> chain;
    std::set<std::string> seen;
    for (std::string id = top; !id.empty(); id = chain.back().second.parent) {
        if (!seen.insert(id).second)
            throw Error(ErrorKind::invalid_argument, "layer ", id, ": lies on itself");
        if (seen.size() > max_layers)
            throw Error(ErrorKind::resource_exhausted, "more than ", max_layers, " layers");
        const auto text = files.find_text(cat(id, "/json"), oci::max_document);
        if (!text)
            throw Error(files.is_cut() ? ErrorKind::data_loss : ErrorKind::not_found, "layer ", id,
                        " is not in the archive", files.is_cut() ? ", which is cut short" : "");
        chain.emplace_back(id, oci::parse_docker_layer(*text, id));
    }
    std::ranges::reverse(chain);
    return chain;
}

} // namespace

std::vector<oci::Descriptor> docker_images(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                                           const DockerRules& rules, MissingBlobs& missing,
                                           const std::stop_token& stop) {
    const auto text = files.find_text(std::string(oci::docker_archive::manifest), oci::docker_archive::max_text);
    Conversion conversion(origin, files, provider, rules, missing, stop);
    std::vector<oci::Descriptor> images;
    for (const oci::DockerImage& image : oci::parse_docker_manifest(text.value_or("")))
        for (oci::Descriptor& one :
             doing([&] { return cat("image ", printable(image.names.empty() ? image.config : image.names.front())); },
                   [&] { return conversion.convert(image); }))
            images.push_back(std::move(one));
    return images;
}

std::vector<oci::Descriptor> old_docker_images(const Origin& origin, const ImageFiles& files, const DockerRules& rules,
                                               const std::stop_token& stop) {
    const auto text = files.find_text(std::string(oci::docker_archive::repositories), oci::docker_archive::max_text);
    Layers layers(origin, files, rules, stop);
    const auto find_layer = [&](const std::string& id) {
        const auto file = files.find(cat(id, "/layer.tar"));
        if (!file)
            throw Error(files.is_cut() ? ErrorKind::data_loss : ErrorKind::not_found, "layer ", id,
                        " is not in the archive", files.is_cut() ? ", which is cut short" : "");
        return layers.store(*file);
    };
    std::map<std::string, std::pair<oci::Descriptor, oci::DiffId>> known;
    const auto convert = [&](const oci::DockerRepository& repository) {
        const auto chain = read_chain(files, repository.layer);
        const auto top = files.find_text(cat(repository.layer, "/json"), oci::max_document);
        oci::Schema1 image{.steps = {}, .config = top.value_or("")};
        std::vector<oci::Descriptor> descriptors;
        std::vector<oci::DiffId> diff_ids;
        for (const auto& [id, layer] : chain) {
            auto found = known.find(id);
            if (found == known.end()) {
                const oci::Descriptor stored = find_layer(id);
                const oci::DiffId diff_id = layers.diff_id_of(stored);
                found = known.emplace(id, std::pair(stored, diff_id)).first;
            }
            descriptors.push_back(found->second.first);
            diff_ids.push_back(found->second.second);
            image.steps.push_back({.blob = diff_ids.back().digest, .history = layer.history});
        }
        const std::string config = oci::schema1_config(image, diff_ids);
        oci::Descriptor listed{.media_type = std::string(oci::media_type::docker_manifest),
                               .digest = oci::Digest::of(config),
                               .platform = oci::parse_config(config, "new config").platform};
        listed = named(std::move(listed), {repository.name}).front();
        const oci::Descriptor config_descriptor =
            put_document(origin.blobs, config, oci::media_type::docker_config, {}, origin.lease, stop);
        const oci::Descriptor manifest = put_manifest(
            origin.blobs, oci::docker_manifest(config_descriptor, descriptors), listed.media_type, origin.lease, stop);
        listed.digest = manifest.digest;
        listed.size = manifest.size;
        return listed;
    };
    std::vector<oci::Descriptor> images;
    for (const oci::DockerRepository& repository : oci::parse_repositories(text.value_or("")))
        if (oci::Descriptor image =
                doing([&] { return cat("image ", repository.name); }, [&] { return convert(repository); });
            rules.is_wanted(image))
            images.push_back(std::move(image));
    return images;
}

} // namespace lade::transfer
