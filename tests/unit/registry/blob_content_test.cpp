// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "registry/blob_content.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::registry;

namespace {

// Bytes of which each opening gives no more than `at_once` in one read.
class Text final : public BlobContent {
public:
    explicit Text(std::string text) : text_(std::move(text)) {}
    std::unique_ptr<Source> open(std::uint64_t offset) override {
        ++opened;
        return std::make_unique<StringSource>(std::string_view(text_).substr(offset));
    }
    int opened = 0;

private:
    std::string text_;
};

oci::Descriptor describe(const std::string& text) {
    return {.media_type = "x/y", .digest = oci::Digest::of(text), .size = text.size()};
}

std::string read(CheckedContent& content, std::size_t count) {
    std::string text;
    std::vector<std::byte> buffer(count);
    while (text.size() < count)
        text.append(as_text(std::span(buffer).first(content.read(std::span(buffer).first(count - text.size())))));
    return text;
}

} // namespace

TEST_SUITE("blob content") {
    TEST_CASE("bytes that are read again are hashed once") {
        Text text("0123456789");
        const oci::Descriptor blob = describe("0123456789");
        CheckedContent content(text, blob);
        content.seek(0);
        CHECK(read(content, 6) == "012345");
        content.seek(2);
        CHECK(read(content, 5) == "23456");
        CHECK(content.furthest() == 7);
        content.seek(7);
        CHECK(text.opened == 2);
        CHECK(read(content, 3) == "789");
        content.seek(0);
        CHECK(read(content, 10) == "0123456789");
    }

    TEST_CASE("the last bytes of something else are not handed out") {
        Text text("012345678X");
        const oci::Descriptor blob = describe("0123456789");
        CheckedContent content(text, blob);
        content.seek(0);
        CHECK(read(content, 9) == "012345678");
        CHECK(test::kind_of([&] { read(content, 1); }) == ErrorKind::data_loss);
    }

    TEST_CASE("content that ends early is told of") {
        Text text("0123");
        const oci::Descriptor blob = describe("0123456789");
        CheckedContent content(text, blob);
        content.seek(0);
        CHECK(read(content, 4) == "0123");
        CHECK(test::kind_of([&] { read(content, 1); }) == ErrorKind::data_loss);
    }

    TEST_CASE("what cannot be read is as wrong as other bytes, what fails otherwise is not") {
        struct Failing final : BlobContent {
            explicit Failing(ErrorKind its) : kind(its) {}
            std::unique_ptr<Source> open(std::uint64_t /*offset*/) override { throw Error(kind, "no bytes"); }
            ErrorKind kind;
        };
        const oci::Descriptor blob = describe("0123456789");
        Failing damaged(ErrorKind::data_loss);
        CheckedContent wrong(damaged, blob);
        CHECK_THROWS_AS(wrong.seek(0), WrongContent);
        Failing away(ErrorKind::unavailable);
        CheckedContent content(away, blob);
        CHECK(test::kind_of([&] { content.seek(0); }) == ErrorKind::unavailable);
    }
}
