// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "registry/notices.hpp"

using lade::registry::Notices;
using lade::registry::parse_warnings;
using lade::registry::Response;
using Texts = std::vector<std::string>;

namespace {

Response reply(const Texts& warnings) {
    Response response{.status = 200};
    for (const std::string& warning : warnings)
        response.headers.emplace_back("warning", warning);
    return response;
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("the texts of Warning headers") {
        CHECK(parse_warnings(R"(299 - "soon gone")") == Texts{"soon gone"});
        CHECK(parse_warnings(R"(299 - "say \"a\\b\"")") == Texts{R"(say "a\b")"});
        CHECK(parse_warnings(R"(299 - "caf%C3%A9, 100%")") == Texts{"caf%C3%A9, 100%"});
        CHECK(parse_warnings(R"(299 - "caf%C3%A9")") == Texts{"caf\xc3\xa9"});
        CHECK(parse_warnings(R"(299 - "a, b", 299 - "c" "Wed, 21 Oct 2026 07:28:00 GMT" ,299 - "d")") ==
              Texts{"a, b", "c", "d"});
        for (const char* malformed : {"", "soon gone", R"(199 - "x")", R"(299 host "x")", R"(299 - x)", R"(299 - "x)",
                                      R"(299 - "")", R"(299 - "x" y)", R"(299 - "x" "y)"})
            CHECK(parse_warnings(malformed).empty());
    }

    TEST_CASE("a notice is told once, and all of them are not long") {
        Texts told;
        Notices notices([&](const std::string& text) { told.push_back(text); });
        notices.take("reg:5000", reply({R"(299 - "a")", "no warning", R"(299 - "b%1b[31m")"}));
        notices.take("reg:5000", reply({R"(299 - "a")"}));
        notices.take("mirror", reply({R"(299 - "a")"}));
        CHECK(told == Texts{"reg:5000: a", "reg:5000: b\\x1b[31m", "mirror: a"});

        told.clear();
        for (char c = 'a'; c <= 'z'; ++c)
            notices.take("reg", reply({"299 - \"" + std::string(1000, c) + '"'}));
        CHECK(told.size() == 4);
    }

    TEST_CASE("nobody need listen") {
        Notices notices({});
        notices.take("reg", reply({R"(299 - "a")"}));
    }
}
