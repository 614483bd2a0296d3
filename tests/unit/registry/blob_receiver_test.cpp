// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "registry/blob_receiver.hpp"

using lade::as_bytes;
using lade::Error;
using lade::ErrorKind;
using lade::StringSink;
using lade::registry::BlobReceiver;
using lade::registry::parse_content_range;
using lade::registry::Response;

namespace {

Response whole(const std::string& length = "") {
    Response response{.status = 200};
    if (!length.empty())
        response.headers.emplace_back("content-length", length);
    return response;
}

Response part(const std::string& range) {
    return {.status = 206, .headers = {{"content-range", range}}};
}

template <typename Work>
void check_data_loss(Work work) {
    try {
        work();
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::data_loss);
    }
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("a whole blob in pieces") {
        StringSink sink(100, "x");
        BlobReceiver receiver(0, 6, sink);
        receiver.begin(whole("6"));
        receiver.write(as_bytes("abc"));
        CHECK_FALSE(receiver.done());
        receiver.write(as_bytes("def"));
        CHECK(receiver.done());
        CHECK(sink.take() == "abcdef");
    }

    TEST_CASE("a break is taken up by range, or by discarding what is known") {
        StringSink sink(100, "x");
        BlobReceiver receiver(2, 8, sink);
        receiver.begin(part("bytes 2-7/8"));
        receiver.write(as_bytes("cd"));
        CHECK(receiver.position() == 4);
        receiver.begin(whole());
        receiver.write(as_bytes("abc"));
        CHECK(receiver.position() == 4);
        receiver.write(as_bytes("de"));
        CHECK(receiver.position() == 5);
        receiver.begin(part("bytes 5-7/*"));
        receiver.write(as_bytes("fgh"));
        CHECK(receiver.done());
        CHECK(sink.take() == "cdefgh");
    }

    TEST_CASE("one byte too many is refused, whatever the header said") {
        StringSink sink(100, "x");
        BlobReceiver receiver(0, 3, sink);
        receiver.begin(whole());
        check_data_loss([&] { receiver.write(as_bytes("abcd")); });
        BlobReceiver full(2, 3, sink);
        full.begin(whole());
        full.write(as_bytes("abc"));
        check_data_loss([&] { full.write(as_bytes("d")); });
    }

    TEST_CASE("a reply of another size or from another place is refused at once") {
        StringSink sink(100, "x");
        BlobReceiver receiver(4, 8, sink);
        check_data_loss([&] { receiver.begin(whole("9")); });
        check_data_loss([&] { receiver.begin(whole("4")); });
        for (const char* range :
             {"", "bytes 0-7/8", "bytes 5-7/8", "bytes 4-8/9", "bytes 4-8/*", "bytes 4-7/9", "bytes */8", "4-7/8"}) {
            INFO(range);
            check_data_loss([&] { receiver.begin(part(range)); });
        }
        CHECK_NOTHROW(receiver.begin(whole("8")));
        CHECK_NOTHROW(receiver.begin(part("bytes 4-7/8")));
    }

    TEST_CASE("content ranges") {
        const auto range = parse_content_range(" Bytes 5-9/10 ");
        REQUIRE(range);
        CHECK(range->first == 5);
        CHECK(range->last == 9);
        CHECK(range->size == 10);
        CHECK_FALSE(parse_content_range("bytes 5-9/*")->size);
        for (const char* text : {"", "bytes", "bytes 9-5/10", "bytes a-9/10", "bytes 5-9", "bytes -5-9/10",
                                 "bytes 5-9/x", "bytes 5-99999999999999999999/*"})
            CHECK_FALSE(parse_content_range(text));
    }
}
