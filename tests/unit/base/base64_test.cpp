// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/base64.hpp"

using lade::base64_decode;
using lade::base64_encode;
using lade::base64url_decode;

TEST_SUITE("base") {
    TEST_CASE("base64") {
        const std::string all("\0\xff\x10user:p\xc3\xa4ss", 13);
        for (std::size_t n = 0; n <= all.size(); ++n)
            CHECK(base64_decode(base64_encode(all.substr(0, n))) == all.substr(0, n));
        CHECK(base64_encode("bob:secret") == "Ym9iOnNlY3JldA==");
        CHECK(base64_decode("Ym9iOnNlY3JldA") == "bob:secret");
        CHECK_FALSE(base64_decode("Ym9i OnM="));
        CHECK_FALSE(base64_decode("Y"));
    }

    TEST_CASE("base64url has two characters of its own") {
        CHECK(base64url_decode("_-8") == "\xff\xef");
        CHECK(base64_decode("/+8") == "\xff\xef");
        CHECK_FALSE(base64url_decode("/+8"));
        CHECK_FALSE(base64_decode("_-8"));
    }
}
