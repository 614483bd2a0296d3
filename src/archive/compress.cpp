// SPDX-License-Identifier: Apache-2.0
#include "archive/compress.hpp"

#include <zstd.h>

#include <array>
#include <vector>

#include "archive/compression.hpp"
#include "archive/gzip_encoder.hpp"
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

} // namespace

int level_within(std::optional<int> level, int most, int otherwise, std::string_view media_type) {
    if (level && (*level < 1 || *level > most))
        throw Error(ErrorKind::invalid_argument, "compression level ", *level, ": for ", printable(media_type),
                    " 1 to ", most, " are possible");
    return level.value_or(otherwise);
}

std::unique_ptr<Compressor> compress(Sink& into, std::string_view media_type, std::optional<int> level) {
    switch (layer_format(media_type).compression) {
    case Compression::gzip:
        return std::make_unique<GzipEncoder>(into, gzip_level(level, media_type));
    case Compression::zstd:
        return std::make_unique<Zstd>(into, level_within(level, ZSTD_maxCLevel(), ZSTD_CLEVEL_DEFAULT, media_type));
    case Compression::none:
        break;
    }
    if (level)
        throw Error(ErrorKind::invalid_argument, "compression level ", *level, ": ", printable(media_type),
                    " is not compressed");
    return std::make_unique<Plain>(into);
}

std::size_t encoder_memory(std::string_view media_type, std::optional<int> level) {
    // Of zstd 1.5.4, for streams of unknown length, by ZSTD_estimateCStreamSize: from this level on, so many MiB.
    struct Need {
        int level;
        std::size_t mebibytes;
    };
    static constexpr std::array<Need, 11> needs{
        {{1, 2}, {3, 4}, {4, 6}, {7, 9}, {9, 17}, {10, 29}, {12, 69}, {19, 90}, {20, 194}, {21, 386}, {22, 778}}};
    constexpr std::size_t small = 1 * mib;
    if (layer_format(media_type).compression != Compression::zstd)
        return small;
    std::size_t mebibytes = 0;
    for (const Need& need : needs)
        if (level.value_or(ZSTD_CLEVEL_DEFAULT) >= need.level)
            mebibytes = need.mebibytes;
    return mebibytes * mib;
}

} // namespace lade::archive
