// SPDX-License-Identifier: Apache-2.0
#include "archive/compress.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t output_size = 128 * kib;

class Plain final : public Compressor {
public:
    explicit Plain(Sink& into) : into_(into) {}
    void write(std::span<const std::byte> bytes) override { into_.write(bytes); }
    void finish() override {}

private:
    Sink& into_;
};

// Pieces of a fixed size, each compressed on its own with what came before it as its dictionary: how many threads do so
// makes no difference to the bytes.
constexpr std::size_t gzip_piece = 256 * kib;
constexpr std::size_t gzip_window = 32 * kib;

struct GzipPiece {
    std::string bytes; // raw deflate, ending at a byte
    uLong sum = 0;
    std::size_t size = 0; // of what it was made of
};

Bytef* bytes_of(const std::string& text) {
    // zlib takes pointers to mutable input and does not write to it.
    return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

GzipPiece deflate_piece(const std::string& window, const std::string& data, int level, bool last) {
    constexpr int raw = -MAX_WBITS;
    constexpr int memory = 8;
    z_stream state{};
    if (deflateInit2(&state, level, Z_DEFLATED, raw, memory, Z_DEFAULT_STRATEGY) != Z_OK)
        throw Error(ErrorKind::resource_exhausted, "gzip: no memory for the encoder");
    GzipPiece piece{.bytes = {}, .sum = crc32(0, bytes_of(data), static_cast<uInt>(data.size())), .size = data.size()};
    if (!window.empty())
        deflateSetDictionary(&state, bytes_of(window), static_cast<uInt>(window.size()));
    // The end of a piece takes a few bytes more than the bound knows of.
    piece.bytes.resize(deflateBound(&state, static_cast<uLong>(data.size())) + 16);
    state.next_in = bytes_of(data);
    state.avail_in = static_cast<uInt>(data.size());
    state.next_out = bytes_of(piece.bytes);
    state.avail_out = static_cast<uInt>(piece.bytes.size());
    const int result = deflate(&state, last ? Z_FINISH : Z_SYNC_FLUSH);
    const bool done = result == (last ? Z_STREAM_END : Z_OK) && state.avail_in == 0 && state.avail_out > 0;
    piece.bytes.resize(piece.bytes.size() - state.avail_out);
    deflateEnd(&state);
    if (!done)
        throw Error(ErrorKind::internal, "gzip: a piece did not fit");
    return piece;
}

class Gzip final : public Compressor {
public:
    Gzip(Sink& into, int level) : into_(into), level_(level) {
        std::string header("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
        header[8] = level == Z_BEST_COMPRESSION ? '\2' : level == Z_BEST_SPEED ? '\4' : '\0';
        into_.write(as_bytes(header));
    }

    void write(std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            if (data_.size() == gzip_piece)
                start(false);
            const auto part = bytes.first(std::min(bytes.size(), gzip_piece - data_.size()));
            data_.append(as_text(part));
            bytes = bytes.subspan(part.size());
        }
    }

    void finish() override {
        start(true);
        while (!running_.empty())
            pass_on();
        std::string trailer;
        for (const std::uint64_t number : {std::uint64_t{sum_}, size_})
            for (unsigned shift = 0; shift < 32; shift += 8)
                trailer += static_cast<char>(number >> shift & 0xffU);
        into_.write(as_bytes(trailer));
    }

private:
    void start(bool last) {
        if (running_.size() >= most_)
            pass_on();
        std::string window = data_.size() < gzip_window ? std::string() : data_.substr(data_.size() - gzip_window);
        running_.push_back(std::async(std::launch::async, [before = std::exchange(window_, std::move(window)),
                                                           data = std::exchange(data_, {}), level = level_,
                                                           last] { return deflate_piece(before, data, level, last); }));
    }

    void pass_on() {
        const GzipPiece piece = running_.front().get();
        running_.pop_front();
        sum_ = crc32_combine(sum_, piece.sum, static_cast<z_off_t>(piece.size));
        size_ += piece.size;
        into_.write(as_bytes(piece.bytes));
    }

    Sink& into_;
    int level_;
    std::string data_;
    std::string window_; // the end of the piece before
    std::size_t most_ = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16);
    std::deque<std::future<GzipPiece>> running_; // in order
    uLong sum_ = 0;
    std::uint64_t size_ = 0;
};

class Zstd final : public Compressor {
public:
    Zstd(Sink& into, int level) : into_(into), output_(output_size), state_(ZSTD_createCCtx()) {
        if (!state_)
            throw Error(ErrorKind::resource_exhausted, "zstd: no memory for the encoder");
        check(ZSTD_CCtx_setParameter(state_.get(), ZSTD_c_compressionLevel, level));
        check(ZSTD_CCtx_setParameter(state_.get(), ZSTD_c_checksumFlag, 1));
    }

    void write(std::span<const std::byte> bytes) override { run(bytes, ZSTD_e_continue); }
    void finish() override { run({}, ZSTD_e_end); }

private:
    static std::size_t check(std::size_t result) {
        if (ZSTD_isError(result) != 0)
            throw Error(ErrorKind::resource_exhausted, "zstd: ", ZSTD_getErrorName(result));
        return result;
    }

    void run(std::span<const std::byte> bytes, ZSTD_EndDirective mode) {
        ZSTD_inBuffer in{.src = bytes.data(), .size = bytes.size(), .pos = 0};
        for (bool more = true; more;) {
            ZSTD_outBuffer out{.dst = output_.data(), .size = output_.size(), .pos = 0};
            const std::size_t left = check(ZSTD_compressStream2(state_.get(), &out, &in, mode));
            if (out.pos > 0)
                into_.write(std::span(output_).first(out.pos));
            more = mode == ZSTD_e_end ? left > 0 : in.pos < in.size;
        }
    }

    Sink& into_;
    std::vector<std::byte> output_;
    std::unique_ptr<ZSTD_CCtx, decltype([](ZSTD_CCtx* state) { ZSTD_freeCCtx(state); })> state_;
};

int checked(std::optional<int> level, int most, int otherwise, std::string_view media_type) {
    if (level && (*level < 1 || *level > most))
        throw Error(ErrorKind::invalid_argument, "compression level ", *level, ": for ", printable(media_type),
                    " 1 to ", most, " are possible");
    return level.value_or(otherwise);
}

} // namespace

std::unique_ptr<Compressor> compress(Sink& into, std::string_view media_type, std::optional<int> level) {
    switch (layer_format(media_type).compression) {
    case Compression::gzip:
        return std::make_unique<Gzip>(into, checked(level, Z_BEST_COMPRESSION, Z_DEFAULT_COMPRESSION, media_type));
    case Compression::zstd:
        return std::make_unique<Zstd>(into, checked(level, ZSTD_maxCLevel(), ZSTD_CLEVEL_DEFAULT, media_type));
    case Compression::none:
        break;
    }
    if (level)
        throw Error(ErrorKind::invalid_argument, "compression level ", *level, ": ", printable(media_type),
                    " is not compressed");
    return std::make_unique<Plain>(into);
}

} // namespace lade::archive
