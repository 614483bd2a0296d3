// SPDX-License-Identifier: Apache-2.0
#include "transfer/docker_layers.hpp"

#include <span>
#include <utility>
#include <vector>

#include "archive/compress.hpp"
#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "transfer/ratio_source.hpp"

namespace lade::transfer {

namespace {

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
    return plain_docker_layer;
}

// Ends with the wish to stop.
void pass_on(Source& from, Sink& to, const std::stop_token& stop) {
    std::vector<std::byte> buffer(256 * kib);
    for (std::size_t n = from.read(buffer); n > 0; n = from.read(buffer)) {
        check_stop(stop);
        to.write(std::span(buffer).first(n));
    }
}

// What is read goes to a sink, too.
class Tee final : public Source {
public:
    Tee(Source& from, Sink& to) : from_(from), to_(to) {}
    std::size_t read(std::span<std::byte> into) override {
        const std::size_t n = from_.read(into);
        to_.write(into.first(n));
        return n;
    }

private:
    Source& from_;
    Sink& to_;
};

class Nowhere final : public Sink {
public:
    void write(std::span<const std::byte> /*bytes*/) override {}
};

} // namespace

std::optional<oci::Descriptor> DockerLayers::find_stored(const oci::DiffId& diff_id) {
    auto found = rules_.compress ? find_compressed(diff_id) : find_plain(diff_id);
    if (!found)
        found = rules_.compress ? find_plain(diff_id) : find_compressed(diff_id);
    return found;
}

archive::Compression DockerLayers::compression_of(const ImageFile& file) const {
    return archive::compression_of(*files_.open(file, 0));
}

template <typename Work>
oci::Digest DockerLayers::write(const Work& work, const ImageFile& file) {
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

oci::Descriptor DockerLayers::store(const ImageFile& file) {
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

oci::Descriptor DockerLayers::store(const ImageFile& file, const oci::DiffId& diff_id) {
    if (file.digest) {
        oci::Descriptor layer = store(file);
        require_same(diff_id_of(layer).digest, diff_id);
        return layer;
    }
    const oci::Digest digest = write(
        [&](Source& bytes, Sink& sink) {
            Tee kept(bytes, sink);
            require_same(decode(kept, file.size), diff_id);
            return oci::Labels{{std::string(oci::label::uncompressed), diff_id.string()}};
        },
        file);
    return {.media_type = std::string(type_of(compression_of(file))), .digest = digest, .size = file.size};
}

oci::Descriptor DockerLayers::compress(const ImageFile& file, const oci::DiffId& diff_id) {
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

// All of the source is read, whatever of it the decoder has no use for.
oci::Digest DockerLayers::decode(Source& compressed, std::uint64_t size) {
    Nowhere nowhere;
    const std::unique_ptr<Source> plain = archive::decompress(compressed);
    RatioSource bounded(*plain, size, rules_.ratio, stop_);
    oci::HashingSource hashed(bounded, oci::Algorithm::sha256);
    pass_on(hashed, nowhere, stop_);
    pass_on(compressed, nowhere, stop_);
    return hashed.digest();
}

oci::DiffId DockerLayers::diff_id_of(const oci::Descriptor& layer) {
    if (layer.media_type == plain_docker_layer)
        return {layer.digest};
    const std::unique_ptr<Source> compressed = open_stored(origin_.blobs, layer);
    oci::DiffId diff_id{decode(*compressed, layer.size)};
    origin_.blobs.label(layer.digest, {{std::string(oci::label::uncompressed), diff_id.string()}});
    return diff_id;
}

void DockerLayers::require_same(const oci::Digest& digest, const oci::DiffId& diff_id) {
    if (digest != diff_id.digest)
        throw Error(ErrorKind::data_loss, "the layer's tar has digest ", digest, ", the config says ", diff_id.digest);
}

std::optional<oci::Descriptor> DockerLayers::find_plain(const oci::DiffId& diff_id) {
    const auto blob = origin_.blobs.find(diff_id.digest);
    return blob ? hold({.media_type = std::string(plain_docker_layer), .digest = blob->digest, .size = blob->size})
                : std::nullopt;
}

std::optional<oci::Descriptor> DockerLayers::find_compressed(const oci::DiffId& diff_id) {
    const auto compressed = compressed_layers().find(diff_id.string());
    if (compressed == compressed_layers().end())
        return std::nullopt;
    auto layer = hold(compressed->second);
    if (layer)
        layer->media_type = type_of(archive::compression_of(*open_stored(origin_.blobs, *layer)));
    return layer;
}

// By what they say that they are when they are decompressed.
const std::map<std::string, oci::Descriptor>& DockerLayers::compressed_layers() {
    if (!compressed_) {
        compressed_.emplace();
        for (const store::Blob& blob : origin_.blobs.list())
            if (const auto label = blob.labels.find(std::string(oci::label::uncompressed)); label != blob.labels.end())
                compressed_->emplace(label->second,
                                     oci::Descriptor{.media_type = {}, .digest = blob.digest, .size = blob.size});
    }
    return *compressed_;
}

std::optional<oci::Descriptor> DockerLayers::hold(oci::Descriptor layer) {
    origin_.blobs.hold({layer}, origin_.lease);
    return origin_.blobs.is_whole(layer) ? std::optional(std::move(layer)) : std::nullopt;
}

} // namespace lade::transfer
