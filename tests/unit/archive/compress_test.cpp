// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>

#include "archive/compress.hpp"
#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::archive;

namespace {

std::string compressed(const std::string& text, std::string_view type, std::optional<int> level = {},
                       std::size_t piece = 70'000) {
    StringSink sink(1U << 26U, "layer");
    const auto compressor = compress(sink, type, level);
    for (std::size_t at = 0; at < text.size(); at += piece)
        compressor->write(as_bytes(std::string_view(text).substr(at, piece)));
    compressor->finish();
    return sink.take();
}

std::string plain(const std::string& bytes, std::string_view type) {
    StringSource source(bytes);
    StringSink sink(1U << 26U, "tar");
    copy(*decompress(source, type), sink);
    return sink.take();
}

// Neither all the same nor all different.
std::string sample(std::size_t size) {
    std::minstd_rand random(7);
    std::string text;
    while (text.size() < size)
        text += random() % 3 == 0 ? std::string(random() % 500, 'a') : std::to_string(random());
    text.resize(size);
    return text;
}

constexpr std::string_view oci = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view docker = "application/vnd.docker.image.rootfs.diff.tar";

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("what is compressed comes back, whatever the type") {
        for (const std::string& type : {std::string(oci), cat(oci, "+gzip"), cat(oci, "+zstd"), std::string(docker),
                                        cat(docker, ".gzip"), cat(docker, ".zstd")})
            for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3'000'000}}) {
                INFO(type, " ", size);
                const std::string text = sample(size);
                const std::string bytes = compressed(text, type);
                CHECK(plain(bytes, type) == text);
                CHECK(bytes == compressed(text, type));
                CHECK((bytes == text) == (layer_format(type).compression == Compression::none));
            }
    }

    TEST_CASE("pieces make no difference, whatever their edges are") {
        const std::string text = sample(1'100'000);
        for (const std::size_t size :
             {32'767U, 32'768U, 262'143U, 262'144U, 262'145U, 524'288U, 1'048'576U, 1'100'000U}) {
            INFO(size);
            const std::string part = text.substr(0, size);
            const std::string bytes = compressed(part, cat(oci, "+gzip"));
            CHECK(plain(bytes, cat(oci, "+gzip")) == part);
            CHECK(bytes == compressed(part, cat(oci, "+gzip"), {}, 1000));
            CHECK(bytes == compressed(part, cat(oci, "+gzip"), {}, size));
        }
        const std::string noise = [] {
            std::minstd_rand random(3);
            std::string bytes(600'000, '\0');
            for (char& c : bytes)
                c = static_cast<char>(random() >> 8U);
            return bytes;
        }();
        for (const int level : {1, 6, 9})
            CHECK(plain(compressed(noise, cat(oci, "+gzip"), level), cat(oci, "+gzip")) == noise);
    }

    TEST_CASE("an encoder that cannot pass on what it made ends") {
        class Full final : public Sink {
        public:
            void write(std::span<const std::byte> bytes) override {
                if ((left_ -= std::min(left_, bytes.size())) == 0)
                    throw Error(ErrorKind::resource_exhausted, "full");
            }

        private:
            std::size_t left_ = 100'000;
        } full;
        const std::string text = sample(5'000'000);
        for (const char* type : {"+gzip", "+zstd"})
            CHECK(test::kind_of([&] {
                      const auto compressor = compress(full, cat(oci, type));
                      compressor->write(as_bytes(text));
                      compressor->finish();
                  }) == ErrorKind::resource_exhausted);
    }

    TEST_CASE("the header of gzip tells no time and no name") {
        const std::string bytes = compressed("text", cat(oci, "+gzip"));
        CHECK(bytes.substr(0, 8) == std::string("\x1f\x8b\x08\0\0\0\0\0", 8));
    }

    TEST_CASE("a level is taken, and what is none is refused") {
        const std::string text = sample(2'000'000);
        CHECK(compressed(text, cat(oci, "+gzip"), 9).size() < compressed(text, cat(oci, "+gzip"), 1).size());
        CHECK(compressed(text, cat(oci, "+zstd"), 19).size() < compressed(text, cat(oci, "+zstd"), 1).size());
        for (const int level : {-1, 0, 10})
            CHECK(test::kind_of([&] { compressed("", cat(oci, "+gzip"), level); }) == ErrorKind::invalid_argument);
        for (const int level : {0, 23})
            CHECK(test::kind_of([&] { compressed("", cat(oci, "+zstd"), level); }) == ErrorKind::invalid_argument);
        CHECK(test::kind_of([&] { compressed("", oci, 1); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("a type that is not known is named") {
        for (const std::string& type : {cat(oci, "+bzip2"), cat(oci, ".gzip"), cat(docker, "+gzip"),
                                        cat(oci, "+gzip+encrypted"), std::string("text/plain"), std::string()}) {
            INFO(type);
            CHECK(test::kind_of([&] { compressed("", type); }) == ErrorKind::unimplemented);
        }
        try {
            compressed("", "some/type");
        } catch (const Error& error) {
            CHECK(error.message().find("some/type") != std::string::npos);
        }
    }
}
