// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <functional>

#include "archive/compression.hpp"
#include "archive/gzip.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::archive;

namespace {

constexpr std::string_view gzip_layer = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr std::string_view plain_layer = "application/vnd.oci.image.layer.v1.tar";

std::string gzip(const std::string& text) {
    z_stream state{};
    deflateInit2(&state, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string out(text.size() + 1000, '\0');
    std::string in = text;
    state.next_in = reinterpret_cast<Bytef*>(in.data());
    state.avail_in = static_cast<uInt>(in.size());
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = static_cast<uInt>(out.size());
    deflate(&state, Z_FINISH);
    out.resize(state.total_out);
    deflateEnd(&state);
    return out;
}

std::string zstd(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

std::string drain(Source& source) {
    StringSink sink(std::size_t{1} << 30U, "text");
    copy(source, sink);
    return sink.take();
}

std::string plain(const std::string& compressed, std::string_view type = gzip_layer) {
    StringSource source(compressed);
    return drain(*decompress(source, type));
}

std::string numbers(int count) {
    std::string text;
    for (int i = 0; i < count; ++i)
        text += std::to_string(i * 7919) + ",";
    return text;
}

// As from a network at its slowest.
class ByteByByte final : public Source {
public:
    explicit ByteByByte(std::string_view text) : source_(text) {}
    std::size_t read(std::span<std::byte> into) override { return source_.read(into.first(1)); }

private:
    StringSource source_;
};

using Inflater = std::function<std::string(const std::string&)>;

template <typename Compressed>
void add_inflaters(std::vector<Inflater>& all) {
    all.emplace_back([](const std::string& compressed) {
        Compressed source(compressed);
        return drain(*gunzip_zlib(source));
    });
#ifdef LADE_HAVE_ISAL
    all.emplace_back([](const std::string& compressed) {
        Compressed source(compressed);
        return drain(*gunzip_isal(source));
    });
#endif
}

// Both inflaters, side by side.
std::vector<Inflater> inflaters() {
    std::vector<Inflater> all;
    add_inflaters<StringSource>(all);
    add_inflaters<ByteByByte>(all);
    return all;
}

std::string complaint(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.message();
    }
    return "";
}

bool data_loss(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind() == ErrorKind::data_loss;
    }
    return false;
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("both inflaters read the same streams") {
        for (const auto& inflate : inflaters()) {
            CHECK(inflate(gzip("")).empty());
            CHECK(inflate(gzip("x")) == "x");
            const std::string text = numbers(200'000);
            CHECK(inflate(gzip(text)) == text);
            // Several members, empty ones among them, are one stream.
            CHECK(inflate(gzip("a") + gzip("") + gzip("b") + gzip(text)) == "ab" + text);
        }
    }

    TEST_CASE("both inflaters refuse the same streams") {
        const std::string good = gzip(numbers(5'000));
        for (const auto& inflate : inflaters()) {
            for (std::size_t size = 0; size < good.size(); size += size < 30 || size + 30 > good.size() ? 1 : 97) {
                CAPTURE(size);
                if (size > 0)
                    CHECK(data_loss([&] { inflate(good.substr(0, size)); }));
            }
            CHECK(data_loss([&] { inflate(good + "garbage"); }));
            CHECK(data_loss([&] { inflate(good + good.substr(0, 5)); }));
            std::string wrong = good;
            wrong[wrong.size() - 8] = static_cast<char>(wrong[wrong.size() - 8] ^ 1);
            CHECK(data_loss([&] { inflate(wrong); }));
            wrong = good;
            wrong[wrong.size() - 1] = static_cast<char>(wrong[wrong.size() - 1] ^ 1);
            CHECK(data_loss([&] { inflate(wrong); }));
        }
    }

    TEST_CASE("what follows the last member is called what it is") {
        const std::string good = gzip("text");
        for (const auto& inflate : inflaters()) {
            for (const std::string& rest :
                 {std::string("g"), std::string("garbage"), std::string(100'000, 'g'), std::string(1, '\0'),
                  std::string(512, '\0'), std::string("\x1f?"), std::string("\x1f\x8b?"), good.substr(1)}) {
                CAPTURE(rest.size());
                CHECK(complaint([&] { inflate(good + rest); }) == "gzip: garbage after the last member");
                CHECK(complaint([&] { inflate(gzip("") + good + rest); }) == "gzip: garbage after the last member");
            }
            for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{3}, good.size() - 1})
                CHECK(complaint([&] { inflate(good + good.substr(0, size)); }) == "gzip: cut short");
        }
    }

    TEST_CASE("thousands of empty members cost next to nothing") {
        std::string many;
        for (int i = 0; i < 20'000; ++i)
            many += gzip("");
        for (const auto& inflate : inflaters())
            CHECK(inflate(many + gzip("end")) == "end");
    }

    TEST_CASE("the type says whether, the magic says how") {
        const std::string text = numbers(1'000);
        CHECK(plain(gzip(text)) == text);
        CHECK(plain(zstd(text)) == text);
        CHECK(plain(text) == text);
        CHECK(plain(gzip(text), "application/vnd.docker.image.rootfs.diff.tar") == text);
        CHECK(plain(gzip(text), plain_layer) == gzip(text));
        for (const char* start : {"BZh", "BZh9", "BZh91AY&S", "\xfd", "\x04\x22"}) {
            CHECK(plain(start) == start);
            CHECK(plain(start + text) == start + text);
        }
        CHECK(test::kind_of([] { plain("BZh91AY&SY..."); }) == ErrorKind::unimplemented);
        for (const char* type : {"application/vnd.oci.image.layer.v1.tar+encrypted",
                                 "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "text/plain", ""}) {
            StringSource source("x");
            try {
                decompress(source, type);
                FAIL("was accepted");
            } catch (const Error& error) {
                CHECK(error.kind() == ErrorKind::unimplemented);
                CHECK(error.message().find(type) != std::string::npos);
            }
        }
    }

    TEST_CASE("zstd: frames in a row, skippable ones, and what is refused") {
        const std::string text = numbers(10'000);
        const std::string skippable("\x52\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
        CHECK(plain(zstd(text) + zstd("more")) == text + "more");
        CHECK(plain(skippable + zstd(text)) == text);
        const std::string good = zstd(text);
        for (std::size_t size = 5; size < good.size(); size += 37)
            CHECK(data_loss([&] { plain(good.substr(0, size)); }));
        CHECK(data_loss([&] { plain(good + "garbage"); }));
        // A frame header that asks for a window of 2 GiB.
        CHECK(data_loss([&] { plain(std::string("\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00", 9)); }));
    }
}
