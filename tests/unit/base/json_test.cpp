// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"

using namespace lade;

TEST_SUITE("base") {
    TEST_CASE("hostile JSON is refused and named") {
        const std::string deep = std::string(100, '[') + std::string(100, ']');
        for (const std::string& text : {std::string("{\"a\":1,\"a\":2}"), deep, std::string("{"), std::string("{} {}"),
                                        std::string("{'a':1}"), std::string()}) {
            CAPTURE(text);
            try {
                parse_json(text, "document");
                FAIL("was accepted");
            } catch (const Error& error) {
                CHECK(error.kind() == ErrorKind::invalid_argument);
                CHECK(error.message().starts_with("document: "));
            }
        }
    }

    TEST_CASE("the same key in different objects is fine") {
        CHECK_NOTHROW(parse_json(R"({"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":2}]})", "document"));
    }

    TEST_CASE("members of a wrong type are named") {
        const Json json = parse_json(R"({"size":"1","name":7,"null":null,"big":18446744073709551615})", "document");
        CHECK_THROWS_WITH_AS(find_integer(json, "size"), "\"size\" is not an integer", Error);
        CHECK_THROWS_WITH_AS(find_string(json, "name"), "\"name\" is not a string", Error);
        CHECK_THROWS_AS(find_integer(json, "big"), Error);
        CHECK_FALSE(find_string(json, "null"));
        CHECK_FALSE(find_string(json, "absent"));
        CHECK_THROWS_WITH_AS(get_string(json, "absent"), "\"absent\" is missing", Error);
    }
}
