// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "oci/digest.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::oci::Algorithm;
using lade::oci::Digest;

namespace {

ErrorKind refusal(const std::string& text) {
    CHECK_FALSE(Digest::try_parse(text));
    try {
        Digest::parse(text);
    } catch (const Error& error) {
        return error.kind();
    }
    FAIL("accepted: ", text);
    return ErrorKind::internal;
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("digests of the three algorithms are read and printed") {
        const std::string sha256 = "sha256:" + std::string(64, '0');
        const std::string sha512 = "sha512:" + std::string(128, 'f');
        CHECK(Digest::parse(sha256).string() == sha256);
        CHECK(Digest::parse(sha512).string() == sha512);
        const std::string sha384 = "sha384:" + std::string(96, '1');
        CHECK(Digest::parse(sha384).string() == sha384);
        CHECK(Digest::parse(sha512).algorithm() == Algorithm::sha512);
        CHECK(Digest::parse(sha256).short_hex() == "000000000000");
        CHECK(Digest::parse(sha256) != Digest::parse(sha512));
    }

    TEST_CASE("the start of a digest is 4 or more hex digits of a known algorithm") {
        for (const char* text : {"abcd", "0123456789abcdef", "sha256:abcd", "sha512:0000"})
            CHECK_MESSAGE(Digest::is_abbreviation(text), text);
        for (const char* text : {"", "abc", "abcg", "ABCD", "sha256", "sha256:", "sha256:abc", "md5:abcd", ":abcd",
                                 "abcd:abcd", "abcd*", "sha256:ab?d", " abcd"})
            CHECK_FALSE_MESSAGE(Digest::is_abbreviation(text), text);
    }

    TEST_CASE("anything else is refused before a path is made of it") {
        const std::string good(64, 'a');
        for (const std::string& text :
             {std::string(), std::string("sha256"), std::string("sha256:"), ":" + good, good, "sha256:" + good + "a",
              "sha256:" + good.substr(1), "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, 'g'),
              "sha512:" + good, "sha256:../" + good.substr(3), "sha256:" + good + "\n", "SHA256:" + good,
              " sha256:" + good, "sha256:" + good + "/x"}) {
            INFO(text);
            CHECK(refusal(text) == ErrorKind::invalid_argument);
        }
        // Well formed, but nobody here can verify it.
        CHECK(refusal("sha224:" + std::string(56, 'a')) == ErrorKind::unimplemented);
        CHECK(refusal("blake3:" + good) == ErrorKind::unimplemented);
    }

    TEST_CASE("a hash may be asked on the way") {
        lade::oci::Hasher hasher(Algorithm::sha384);
        hasher.update(lade::as_bytes("a"));
        CHECK(hasher.so_far().hex().starts_with("54a59b9f22b0b80880d8427e548b7c23"));
        hasher.update(lade::as_bytes("bc"));
        CHECK(hasher.so_far() == hasher.so_far());
        CHECK(hasher.so_far().hex().starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        const Digest abc = hasher.so_far();
        CHECK(hasher.finish() == abc);
    }

    TEST_CASE("hashing gives the known values") {
        CHECK(Digest::of("").string() == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        CHECK(Digest::of("abc").string() == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        lade::oci::Hasher hasher(Algorithm::sha512);
        hasher.update(lade::as_bytes("a"));
        hasher.update(lade::as_bytes("bc"));
        CHECK(hasher.finish().hex().starts_with("ddaf35a193617abacc417349ae204131"));
    }

    TEST_CASE("a hashing source passes bytes on unchanged") {
        lade::StringSource inner("abc");
        lade::oci::HashingSource source(inner, Algorithm::sha256);
        std::array<std::byte, 2> buffer{};
        std::string text;
        while (const std::size_t n = source.read(buffer))
            text += lade::as_text(std::span(buffer).first(n));
        CHECK(text == "abc");
        CHECK(source.digest() == Digest::of("abc"));
    }

    TEST_CASE("a hashing sink passes bytes on unchanged") {
        lade::StringSink inner(10, "text");
        lade::oci::HashingSink sink(inner, Algorithm::sha256);
        sink.write(lade::as_bytes("a"));
        sink.write(lade::as_bytes("bc"));
        CHECK(inner.take() == "abc");
        CHECK(sink.digest() == Digest::of("abc"));
    }
}
