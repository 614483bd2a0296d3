// SPDX-License-Identifier: Apache-2.0
#include "archive/compression.hpp"

#include <zstd.h>

#include <array>
#include <cstring>

#include "archive/gzip.hpp"
#include "archive/input.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

// What registries use is 8 MiB; 128 MiB is what an image may make us allocate.
constexpr int max_window_log = 27;

class Unzstd final : public Source {
public:
    explicit Unzstd(Source& compressed) : input_(compressed), state_(ZSTD_createDStream()) {
        if (!state_ || ZSTD_isError(ZSTD_DCtx_setParameter(state_.get(), ZSTD_d_windowLogMax, max_window_log)) != 0)
            throw Error(ErrorKind::resource_exhausted, "zstd: no memory for the decoder");
    }

    std::size_t read(std::span<std::byte> into) override {
        for (;;) {
            const auto in = input_.peek();
            ZSTD_inBuffer from{.src = in.data(), .size = in.size(), .pos = 0};
            ZSTD_outBuffer to{.dst = into.data(), .size = into.size(), .pos = 0};
            if (in.empty() && !inside_frame_)
                return 0;
            const std::size_t result = ZSTD_decompressStream(state_.get(), &to, &from);
            if (ZSTD_isError(result) != 0)
                throw Error(ErrorKind::data_loss, "zstd: ", ZSTD_getErrorName(result));
            input_.consume(from.pos);
            inside_frame_ = result != 0;
            if (to.pos > 0)
                return to.pos;
            if (in.empty())
                throw Error(ErrorKind::data_loss, "zstd: cut short");
        }
    }

private:
    Input input_;
    std::unique_ptr<ZSTD_DStream, decltype([](ZSTD_DStream* state) { ZSTD_freeDStream(state); })> state_;
    bool inside_frame_ = false;
};

// Puts bytes that were looked at back in front of the rest.
class Prefixed final : public Source {
public:
    Prefixed(std::string prefix, Source& rest) : prefix_(std::move(prefix)), rest_(rest) {}
    std::size_t read(std::span<std::byte> into) override {
        if (at_ == prefix_.size())
            return rest_.read(into);
        const std::size_t n = std::min(into.size(), prefix_.size() - at_);
        std::memcpy(into.data(), prefix_.data() + at_, n);
        at_ += n;
        return n;
    }

private:
    std::string prefix_;
    Source& rest_;
    std::size_t at_ = 0;
};

// `magic_size` bytes, or all that there are.
std::string read_beginning(Source& source) {
    std::array<std::byte, magic_size> magic{};
    std::size_t have = 0;
    while (have < magic.size()) {
        const std::size_t n = source.read(std::span(magic).subspan(have));
        if (n == 0)
            break;
        have += n;
    }
    return std::string(as_text(std::span(magic).first(have)));
}

// Looks at the first bytes and only then chooses the decoder: a layer may still be on its way.
class Sniffed final : public Source {
public:
    explicit Sniffed(Source& compressed) : compressed_(compressed) {}

    std::size_t read(std::span<std::byte> into) override {
        if (!decoder_)
            choose();
        return decoder_->read(into);
    }

private:
    void choose() {
        const std::string beginning = read_beginning(compressed_);
        whole_ = std::make_unique<Prefixed>(beginning, compressed_);
        switch (compression_of(as_bytes(beginning))) {
        case Compression::gzip:
#ifdef LADE_HAVE_ISAL
            decoder_ = gunzip_isal(*whole_);
#else
            decoder_ = gunzip_zlib(*whole_);
#endif
            break;
        case Compression::zstd:
            decoder_ = std::make_unique<Unzstd>(*whole_);
            break;
        case Compression::none:
            decoder_ = std::move(whole_);
            break;
        }
    }

    Source& compressed_;
    std::unique_ptr<Source> whole_;
    std::unique_ptr<Source> decoder_;
};

class Plain final : public Source {
public:
    explicit Plain(Source& source) : source_(source) {}
    std::size_t read(std::span<std::byte> into) override { return source_.read(into); }

private:
    Source& source_;
};

} // namespace

LayerFormat layer_format(std::string_view media_type) {
    struct Family {
        std::string_view base;
        char separator;
        bool exact_when_plain;
    };
    static constexpr std::array<Family, 4> families{{
        {"application/vnd.oci.image.layer.v1.tar", '+', true},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar", '+', true},
        {"application/vnd.docker.image.rootfs.diff.tar", '.', false},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar", '.', false},
    }};
    for (const Family& family : families) {
        if (!media_type.starts_with(family.base))
            continue;
        const std::string_view suffix = media_type.substr(family.base.size());
        if (suffix.empty())
            return {.compression = Compression::none, .exact = family.exact_when_plain};
        if (suffix.front() == family.separator && suffix.substr(1) == "gzip")
            return {.compression = Compression::gzip, .exact = false};
        if (suffix.front() == family.separator && suffix.substr(1) == "zstd")
            return {.compression = Compression::zstd, .exact = false};
    }
    throw Error(ErrorKind::unimplemented, "layers of type ", printable(media_type), " are not known here");
}

Compression compression_of(std::span<const std::byte> beginning, std::string_view media_type) {
    return layer_format(media_type).exact ? Compression::none : compression_of(beginning);
}

std::unique_ptr<Source> decompress(Source& compressed, std::string_view media_type) {
    if (layer_format(media_type).exact)
        return std::make_unique<Plain>(compressed);
    return std::make_unique<Sniffed>(compressed);
}

std::unique_ptr<Source> decompress(Source& compressed) {
    return std::make_unique<Sniffed>(compressed);
}

namespace {

// What else people compress archives with; "" for none. bzip2's is long enough to be the name of no file.
std::string_view other_compression(std::string_view text) {
    if (text.starts_with("\xfd\x37zXZ"))
        return "xz";
    if (text.size() >= magic_size && text.starts_with("BZh") && text.substr(4, 6) == "1AY&SY")
        return "bzip2";
    return text.starts_with("\x04\x22\x4d\x18") ? "lz4" : "";
}

} // namespace

Compression compression_of(std::span<const std::byte> beginning) {
    const std::string_view text = as_text(beginning);
    if (const std::string_view other = other_compression(text); !other.empty())
        throw Error(ErrorKind::unimplemented, "compressed with ", other,
                    ", which is not known here: gzip and zstd are");
    if (text.starts_with("\x1f\x8b\x08"))
        return Compression::gzip;
    const bool skippable = text.size() >= 4 && (text[0] & 0xf0) == 0x50 && text.substr(1, 3) == "\x2a\x4d\x18";
    return skippable || text.starts_with("\x28\xb5\x2f\xfd") ? Compression::zstd : Compression::none;
}

Compression compression_of(Source& source) {
    return compression_of(as_bytes(read_beginning(source)));
}

std::string_view gzip_engine() noexcept {
#ifdef LADE_HAVE_ISAL
    return "isal";
#else
    return "zlib";
#endif
}

} // namespace lade::archive
