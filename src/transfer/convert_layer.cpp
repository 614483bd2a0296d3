// SPDX-License-Identifier: Apache-2.0
#include "transfer/convert_layer.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <thread>
#include <utility>

#include "archive/compress.hpp"
#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/read_ahead.hpp"
#include "base/text.hpp"
#include "oci/conversion.hpp"
#include "store/scratch.hpp"
#include "transfer/fetch.hpp"
#include "transfer/progress.hpp"
#include "transfer/ratio_source.hpp"

namespace lade::transfer {

namespace {

using archive::Compression;

constexpr std::string_view toc_annotation = "containerd.io/snapshot/stargz/toc.digest";
constexpr std::string_view size_annotation = "io.containers.estargz.uncompressed-size";
constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
// What one layer has decoded and not yet encoded.
constexpr std::size_t ahead = 1 * mib;
// What all encoders together may have; decoders and what is on the way come on top of it.
constexpr std::size_t encoders_memory = 24 * mib;
// A decoder may have to remember 8 MiB.
constexpr std::size_t most_layers = 3;

std::string_view word_of(Compression compression) {
    switch (compression) {
    case Compression::gzip:
        return "gzip";
    case Compression::zstd:
        return "zstd";
    case Compression::none:
        break;
    }
    return "";
}

std::string_view word_of(LayerForm form) {
    switch (form) {
    case LayerForm::gzip:
    case LayerForm::estargz:
        return "gzip";
    case LayerForm::zstd:
        return "zstd";
    case LayerForm::plain:
    case LayerForm::kept:
        break;
    }
    return "";
}

// Ends with an error where the bytes are not those of the digest, so that nobody goes on from others.
class VerifiedTar final : public Source {
public:
    VerifiedTar(Source& inner, oci::Digest expected)
        : hashed_(inner, expected.algorithm()), expected_(std::move(expected)) {}
    std::size_t read(std::span<std::byte> into) override {
        if (verified_)
            return 0;
        const std::size_t n = hashed_.read(into);
        if (n > 0)
            return n;
        if (const oci::Digest found = hashed_.digest(); found != expected_)
            throw Error(ErrorKind::data_loss, "wrong diff ID: the config says ", expected_, ", the layer has ", found);
        verified_ = true;
        return 0;
    }

private:
    oci::HashingSource hashed_;
    oci::Digest expected_;
    bool verified_ = false;
};

// A layer's tar, decoded and verified in a thread of its own.
class LayerTar final : public Source {
public:
    LayerTar(store::Blobs& blobs, const Layer& layer, std::uint64_t ratio, Item& item, const std::stop_token& stop)
        : stored_(open_stored(blobs, layer.descriptor)),
          counted_(*stored_, item),
          plain_(archive::decompress(counted_, layer.descriptor.media_type)),
          bounded_(*plain_, layer.descriptor.size, ratio, stop),
          verified_(bounded_, layer.diff_id.digest),
          ahead_(verified_, ahead, stop) {
        item.set_offset(0);
    }
    std::size_t read(std::span<std::byte> into) override { return ahead_.read(into); }

private:
    std::unique_ptr<Source> stored_;
    CountingSource counted_;
    std::unique_ptr<Source> plain_;
    RatioSource bounded_;
    VerifiedTar verified_;
    ReadAhead ahead_;
};

// Without a wish for more than that, what is an eStargz stays the one that it is.
bool is_estargz(const oci::Descriptor& layer, int blob) {
    if (!layer.annotations.contains(std::string(toc_annotation)) || layer.size < archive::estargz_footer_size)
        return false;
    std::string footer(archive::estargz_footer_size, '\0');
    const std::size_t n = read_some_at(blob, std::as_writable_bytes(std::span(footer)), layer.size - footer.size(),
                                       layer.digest.string());
    return n == footer.size() && archive::estargz_toc_offset(footer).value_or(layer.size) < layer.size;
}

bool is_wanted(const oci::Descriptor& layer, int blob, Compression is, const LayerWish& wish) {
    if (wish.form == LayerForm::kept)
        return true;
    if (wish.level || wish.chunk_size || !wish.prioritized.empty() || word_of(is) != word_of(wish.form))
        return false;
    return wish.form != LayerForm::estargz || is_estargz(layer, blob);
}

Compression compression_of(const oci::Descriptor& layer, int blob) {
    std::array<std::byte, archive::magic_size> magic{};
    const std::size_t n = read_some_at(blob, magic, 0, layer.digest.string());
    return archive::compression_of(std::span(magic).first(n), layer.media_type);
}

oci::Labels labels_of(const oci::DiffId& diff_id, LayerForm form) {
    if (form == LayerForm::plain)
        return {};
    return {{std::string(oci::label::uncompressed), diff_id.string()}};
}

} // namespace

void check(const LayerWish& wish) {
    if (wish.form == LayerForm::kept && wish.level)
        throw Error(ErrorKind::invalid_argument, "a compression level goes with gzip, zstd or eStargz");
    if (wish.form != LayerForm::kept) {
        StringSink nowhere(0, "");
        // Some write when they begin, and what is empty has no room: so only its level is asked for.
        static_cast<void>(archive::compress(nowhere, oci::layer_type(oci_layer, word_of(wish.form)), wish.level));
    }
    if (wish.chunk_size == 0U)
        throw Error(ErrorKind::invalid_argument, "chunks of 0 bytes");
}

std::size_t layers_at_once(const LayerWish& wish) {
    // These encoders use all cores for one layer; another one is decoded meanwhile.
    if (wish.form == LayerForm::gzip || wish.form == LayerForm::estargz)
        return 2;
    const std::size_t cores = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most_layers);
    const std::size_t room =
        encoders_memory / archive::encoder_memory(oci::layer_type(oci_layer, word_of(wish.form)), wish.level);
    return std::clamp<std::size_t>(room, 1, cores);
}

NewLayer convert_layer(store::Store& store, const std::string& name_space, const Layer& layer, const LayerWish& wish,
                       archive::Budget& budget, store::LeaseHold& lease, Progress& progress,
                       const std::stop_token& stop) {
    const oci::Descriptor& was = layer.descriptor;
    return doing([&] { return cat("convert layer ", was.digest); },
                 [&]() -> NewLayer {
                     store::Blobs blobs(store, name_space);
                     const Fd blob = blobs.open(was.digest);
                     const Compression is = compression_of(was, blob.get());
                     if (is_wanted(was, blob.get(), is, wish))
                         return {.digest = was.digest,
                                 .size = was.size,
                                 .compression = std::string(word_of(is)),
                                 .diff_id = layer.diff_id};
                     Item& item = progress.add("convert", was.digest.string(), was.size);
                     item.set(Stage::writing);
                     NewLayer made{.digest = was.digest,
                                   .size = 0,
                                   .compression = std::string(word_of(wish.form)),
                                   .diff_id = layer.diff_id};
                     const auto open = [&]() -> std::unique_ptr<Source> {
                         return std::make_unique<LayerTar>(blobs, layer, wish.limits.ratio, item, stop);
                     };
                     const auto write = [&](Sink& sink) {
                         if (wish.form == LayerForm::estargz) {
                             const archive::EstargzWork work{.open = open,
                                                             .scratch = [&] { return store::scratch_file(store); }};
                             archive::EstargzOptions options{.level = wish.level, .prioritized = wish.prioritized};
                             options.chunk_size = wish.chunk_size.value_or(options.chunk_size);
                             const archive::Estargz estargz = archive::write_estargz(work, sink, options, budget, stop);
                             made.diff_id = {estargz.diff_id};
                             made.annotations = {
                                 {std::string(toc_annotation), estargz.toc_digest.string()},
                                 {std::string(size_annotation), std::to_string(estargz.uncompressed_size)}};
                         } else {
                             const auto encoder =
                                 archive::compress(sink, oci::layer_type(oci_layer, made.compression), wish.level);
                             copy(*open(), *encoder);
                             encoder->finish();
                         }
                         return labels_of(made.diff_id, wish.form);
                     };
                     made.digest = blobs.put(write, "convert-" + random_text(12), lease, stop);
                     made.size = blobs.get(made.digest).size;
                     item.set(Stage::written);
                     return made;
                 });
}

} // namespace lade::transfer
