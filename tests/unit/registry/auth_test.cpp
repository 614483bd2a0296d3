// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "registry/auth.hpp"

using lade::Error;
using lade::registry::parse_challenges;
using lade::registry::parse_token;
using std::chrono::seconds;

TEST_SUITE("registry") {
    TEST_CASE("one challenge with quoted parameters") {
        const auto challenges = parse_challenges(
            R"(Bearer realm="https://auth.example/token?a=b,c",service="reg \"q\" \\ x", scope="repository:a/b:pull,push repository:c:pull")");
        REQUIRE(challenges.size() == 1);
        CHECK(challenges[0].scheme == "bearer");
        CHECK(challenges[0].parameter("realm") == "https://auth.example/token?a=b,c");
        CHECK(challenges[0].parameter("service") == R"(reg "q" \ x)");
        CHECK(challenges[0].parameter("scope") == "repository:a/b:pull,push repository:c:pull");
        CHECK(challenges[0].parameter("error").empty());
    }

    TEST_CASE("several challenges in one line") {
        const auto challenges = parse_challenges(
            R"(Negotiate, NTLM abc==, Digest nonce="x, Bearer", Basic realm=simple , BEARER Realm = "r")");
        REQUIRE(challenges.size() == 5);
        CHECK(challenges[0].scheme == "negotiate");
        CHECK(challenges[1].scheme == "ntlm");
        CHECK(challenges[2].parameter("nonce") == "x, Bearer");
        CHECK(challenges[3].scheme == "basic");
        CHECK(challenges[3].parameter("realm") == "simple");
        CHECK(challenges[4].scheme == "bearer");
        CHECK(challenges[4].parameter("realm") == "r");
    }

    TEST_CASE("unquoted values go up to the comma") {
        const auto challenges = parse_challenges("Bearer realm=https://auth.example/token,service=reg");
        REQUIRE(challenges.size() == 1);
        CHECK(challenges[0].parameter("realm") == "https://auth.example/token");
        CHECK(challenges[0].parameter("service") == "reg");
    }

    TEST_CASE("reading ends where sense ends") {
        CHECK(parse_challenges("").empty());
        CHECK(parse_challenges(" , ,").empty());
        CHECK(parse_challenges("\"x\"").empty());
        CHECK(parse_challenges("realm=\"x\"").empty());
        const auto open = parse_challenges(R"(Bearer service="s",realm="no end)");
        REQUIRE(open.size() == 1);
        CHECK(open[0].parameter("service") == "s");
        CHECK(open[0].parameter("realm").empty());
        // The first value counts, and the number of challenges is bounded.
        CHECK(parse_challenges(R"(Bearer a="1",a="2")")[0].parameter("a") == "1");
        std::string many;
        for (int i = 0; i < 1000; ++i)
            many += "Basic, ";
        CHECK(parse_challenges(many).size() <= 16);
    }

    TEST_CASE("token replies") {
        const auto asked = std::chrono::steady_clock::time_point(seconds(1000));
        const auto lifetime = [&](std::string_view json) { return parse_token(json, asked).expires - asked; };
        CHECK(parse_token(R"({"token":"t"})", asked).value == "t");
        CHECK(parse_token(R"({"token":"t","access_token":"a"})", asked).value == "a");
        CHECK(parse_token(R"({"token":"t"})", asked).refresh.empty());
        CHECK(parse_token(R"({"access_token":"a","refresh_token":"r"})", asked).refresh == "r");
        CHECK(lifetime(R"({"token":"t"})") == seconds(50));
        CHECK(lifetime(R"({"token":"t","expires_in":0})") == seconds(50));
        CHECK(lifetime(R"({"token":"t","expires_in":300})") == seconds(290));
        CHECK(lifetime(R"({"token":"t","expires_in":4})") == seconds(3));
        CHECK(lifetime(R"({"token":"t","expires_in":9223372036854775807})") < seconds(86401));
    }

    TEST_CASE("a token reply that cannot be used is refused and not repeated") {
        for (const std::string& json :
             {std::string("{}"), std::string(R"({"token":""})"), std::string("hunter2"),
              std::string(R"({"token":["hunter2"]})"), std::string(R"({"token":"hunter2\r\nX-Other: 1"})"),
              std::string(R"({"token":"hunter2 x"})")}) {
            INFO(json);
            try {
                parse_token(json, {});
                FAIL("accepted");
            } catch (const Error& error) {
                CHECK(error.message().find("hunter2") == std::string::npos);
            }
        }
    }
}
