// SPDX-License-Identifier: Apache-2.0
#include "archive/compress.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "archive/compression.hpp"
#include "base/error.hpp"
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

class Gzip final : public Compressor {
public:
    Gzip(Sink& into, int level) : into_(into), output_(output_size) {
        constexpr int gzip_only = 16 + MAX_WBITS;
        constexpr int memory = 8;
        if (deflateInit2(&state_, level, Z_DEFLATED, gzip_only, memory, Z_DEFAULT_STRATEGY) != Z_OK)
            throw Error(ErrorKind::resource_exhausted, "gzip: no memory for the encoder");
    }
    ~Gzip() override { deflateEnd(&state_); }
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;

    void write(std::span<const std::byte> bytes) override {
        constexpr std::size_t most = std::numeric_limits<uInt>::max();
        while (!bytes.empty()) {
            const auto piece = bytes.first(std::min(bytes.size(), most));
            run(piece, Z_NO_FLUSH);
            bytes = bytes.subspan(piece.size());
        }
    }
    void finish() override { run({}, Z_FINISH); }

private:
    void run(std::span<const std::byte> bytes, int flush) {
        // zlib takes a pointer to mutable input and does not write to it.
        state_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
        state_.avail_in = static_cast<uInt>(bytes.size());
        do {
            state_.next_out = reinterpret_cast<Bytef*>(output_.data());
            state_.avail_out = static_cast<uInt>(output_.size());
            if (deflate(&state_, flush) == Z_STREAM_ERROR)
                throw Error(ErrorKind::internal, "gzip: the encoder's state is broken");
            if (const std::size_t n = output_.size() - state_.avail_out; n > 0)
                into_.write(std::span(output_).first(n));
        } while (state_.avail_out == 0);
    }

    Sink& into_;
    std::vector<std::byte> output_;
    z_stream state_{};
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
