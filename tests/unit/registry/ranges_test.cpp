// SPDX-License-Identifier: Apache-2.0
// A blob in closed ranges: when, in which pieces, and what a reply has to be.
#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "registry/blob_receiver.hpp"
#include "registry/blob_request.hpp"
#include "registry/pieces.hpp"
#include "registry/ranged_fetch.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::registry;
using std::chrono::milliseconds;
using test::kind_of;

namespace {

Response part(const std::string& range, const std::string& length = "") {
    Response response{.status = 206, .headers = {{"content-range", range}}};
    if (!length.empty())
        response.headers.emplace_back("content-length", length);
    return response;
}

std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("ranges pay where the round trip is long and there is much to fetch, or where people say so") {
        const Chunks own{};
        CHECK(ranges_pay(own, 32 * mib, milliseconds(20), false));
        CHECK_FALSE(ranges_pay(own, 32 * mib - 1, milliseconds(20), false));
        CHECK_FALSE(ranges_pay(own, 32 * mib, milliseconds(19), false));
        CHECK_FALSE(ranges_pay(own, 32 * mib, std::nullopt, false));
        CHECK_FALSE(ranges_pay(own, 32 * mib, milliseconds(200), true));
        const Chunks told{.size = mib, .at_once = 2, .always = true};
        CHECK(ranges_pay(told, mib + 1, std::nullopt, true));
        CHECK_FALSE(ranges_pay(told, mib, std::nullopt, true));
        CHECK_FALSE(ranges_pay({.size = mib, .at_once = 1, .always = true}, 32 * mib, milliseconds(200), false));
    }

    TEST_CASE("a reply is the range that was asked for, and says so, or it is not") {
        CHECK(is_exactly(part("bytes 4-7/10"), 4, 8, 10));
        CHECK(is_exactly(part("bytes 4-7/10", "4"), 4, 8, 10));
        CHECK_FALSE(is_exactly(part("bytes 4-7/10", "5"), 4, 8, 10));
        for (const char* range : {"", "bytes 3-7/10", "bytes 4-6/10", "bytes 4-8/10", "bytes 4-7/11", "bytes 4-7/*",
                                  "bytes */10", "items 4-7/10"}) {
            INFO(range);
            CHECK_FALSE(is_exactly(part(range), 4, 8, 10));
        }
        Response whole = part("bytes 4-7/10");
        whole.status = 200;
        CHECK_FALSE(is_exactly(whole, 4, 8, 10));
    }

    TEST_CASE("a receiver of a range takes the range, or the whole when that is what comes") {
        StringSink sink(100, "x");
        std::optional<BlobReceiver::Reply> seen;
        BlobReceiver range(2, 10, sink, 6);
        range.watch([&](BlobReceiver::Reply reply) { seen = reply; });
        CHECK(range.range() == "Range: bytes=2-5");
        range.begin(part("bytes 2-5/10"));
        CHECK(seen == BlobReceiver::Reply::exact);
        range.write(as_bytes("c"));
        CHECK(range.range() == "Range: bytes=3-5");
        range.begin(part("bytes 3-4/10"));
        CHECK(seen == BlobReceiver::Reply::other);
        range.write(as_bytes("de"));
        CHECK_FALSE(range.done());
        range.begin({.status = 200});
        CHECK(seen == BlobReceiver::Reply::whole);
        range.write(as_bytes("abcdefghij"));
        CHECK(range.done());
        CHECK(range.position() == 10);
        CHECK(sink.take() == "cdefghij");
    }

    TEST_CASE("more than the range is refused, and so is another place") {
        StringSink sink(100, "x");
        BlobReceiver range(2, 10, sink, 6);
        range.begin(part("bytes 2-5/10"));
        CHECK(kind_of([&] { range.write(as_bytes("cdefg")); }) == ErrorKind::data_loss);
        CHECK_THROWS_AS(range.begin(part("bytes 3-5/10")), BadRange);
        CHECK_THROWS_AS(range.begin(part("bytes 2-5/11")), BadRange);
        CHECK_THROWS_AS(range.begin({.status = 206}), BadRange);
        // Of an open range that begins where it should.
        CHECK_NOTHROW(range.begin(part("bytes 2-9/10")));
        CHECK(range.range() == "Range: bytes=2-");
    }

    TEST_CASE("what the reader throws is remembered as the reader's") {
        struct Full final : Sink {
            void write(std::span<const std::byte> /*bytes*/) override {
                throw Error(ErrorKind::resource_exhausted, "full");
            }
        } full;
        BlobReceiver receiver(0, 3, full);
        receiver.begin({.status = 200});
        CHECK_FALSE(receiver.sink_failure());
        CHECK(kind_of([&] { receiver.write(as_bytes("abc")); }) == ErrorKind::resource_exhausted);
        CHECK(receiver.sink_failure());
        CHECK(receiver.position() == 0);
    }

    TEST_CASE("only strong entity tags count") {
        const auto etag = [](const std::string& value) {
            return strong_etag({.status = 200, .headers = {{"etag", value}}});
        };
        CHECK(etag("\"abc\"") == "\"abc\"");
        for (const char* value : {"", "W/\"abc\"", "abc", "\"\"", "\"", "\"a b\"", "\"a\r\nb\""})
            CHECK(etag(value).empty());
        CHECK(strong_etag({.status = 200}).empty());
    }

    TEST_CASE("pieces come out in order, whatever the order they are fetched in") {
        Pieces pieces(2, 10, 3, 8);
        Piece* const one = pieces.next(1, {});
        Piece* const two = pieces.next(1, {});
        Piece* const three = pieces.next(1, {});
        CHECK(pieces.next(1, {}) == nullptr);
        CHECK_FALSE(pieces.any_left());
        CHECK(one->first == 2);
        CHECK(one->end == 5);
        CHECK(three->first == 8);
        CHECK(three->end == 10);
        pieces.add(*three, as_bytes("ij"), {});
        pieces.finish(*three);
        pieces.add(*one, as_bytes("c"), {});
        CHECK(text_of(pieces.take({})) == "c");
        CHECK(pieces.position() == 3);
        CHECK(one->first == 3);
        pieces.add(*two, as_bytes("fgh"), {});
        pieces.finish(*two);
        pieces.add(*one, as_bytes("de"), {});
        pieces.finish(*one);
        CHECK(text_of(pieces.take({})) == "de");
        CHECK(text_of(pieces.take({})) == "fgh");
        CHECK(text_of(pieces.take({})) == "ij");
        CHECK(pieces.take({}).empty());
        CHECK(pieces.position() == 10);
    }

    TEST_CASE("who is too far ahead waits") {
        Pieces pieces(0, 9, 3, 2);
        Piece* const one = pieces.next(1, {});
        pieces.next(1, {});
        std::stop_source source;
        source.request_stop();
        CHECK(kind_of([&] { pieces.next(1, source.get_token()); }) == ErrorKind::cancelled);
        std::uint64_t first = 0;
        std::thread third([&] { first = pieces.next(1, {})->first; });
        pieces.add(*one, as_bytes("abc"), {});
        pieces.finish(*one);
        CHECK(text_of(pieces.take({})) == "abc");
        // The next call finds the first piece delivered, and gives its place away.
        CHECK(kind_of([&] { pieces.take(source.get_token()); }) == ErrorKind::cancelled);
        third.join();
        CHECK(first == 6);
    }

    TEST_CASE("who has more than there is room for waits, whatever the length of the pieces") {
        Pieces pieces(0, 200, 100, 2, 4);
        Piece* const one = pieces.next(1, {});
        Piece* const two = pieces.next(1, {});
        pieces.add(*two, as_bytes("abcd"), {});
        std::stop_source source;
        source.request_stop();
        CHECK(kind_of([&] { pieces.add(*two, as_bytes("e"), source.get_token()); }) == ErrorKind::cancelled);
        // It is its turn: what it has is what all wait for.
        pieces.add(*one, as_bytes("12"), {});
        CHECK(kind_of([&] { pieces.add(*one, as_bytes("3"), source.get_token()); }) == ErrorKind::cancelled);
        CHECK(text_of(pieces.take({})) == "12");
        pieces.add(*one, as_bytes("3"), {});
        CHECK(text_of(pieces.take({})) == "3");
        std::thread waits([&] { pieces.add(*two, as_bytes("e"), {}); });
        pieces.finish(*one);
        CHECK(text_of(pieces.take({})) == "abcd");
        waits.join();
        CHECK(text_of(pieces.take({})) == "e");
        pieces.add(*two, as_bytes("fghi"), {});
        pieces.end(nullptr);
        pieces.add(*two, as_bytes("j"), {});
    }

    TEST_CASE("a fetch that has ended gives what is there in order, and then its error, or the way on") {
        for (const bool fails : {false, true}) {
            Pieces pieces(0, 9, 3, 3);
            Piece* const one = pieces.next(1, {});
            Piece* const two = pieces.next(1, {});
            pieces.add(*one, as_bytes("ab"), {});
            pieces.add(*two, as_bytes("def"), {});
            pieces.finish(*two);
            pieces.end(fails ? std::make_exception_ptr(Error(ErrorKind::unavailable, "x")) : nullptr);
            CHECK(pieces.next(1, {}) == nullptr);
            CHECK(text_of(pieces.take({})) == "ab");
            if (fails)
                CHECK(kind_of([&] { pieces.take({}); }) == ErrorKind::unavailable);
            else
                CHECK(pieces.take({}).empty());
            CHECK(pieces.position() == 2);
        }
    }

    TEST_CASE("a longer piece") {
        Pieces pieces(0, 10, 3, 8);
        CHECK(pieces.next(2, {})->end == 6);
        CHECK(pieces.next(2, {})->end == 10);
        CHECK(pieces.next(2, {}) == nullptr);
    }

    TEST_CASE("spare requests are so many and no more") {
        Spare spare(2);
        CHECK(spare.try_take());
        CHECK(spare.try_take());
        CHECK_FALSE(spare.try_take());
        spare.give_back();
        CHECK(spare.try_take());
    }
}
