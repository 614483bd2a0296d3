// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "registry/status.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::registry::error_text;
using lade::registry::Request;
using lade::registry::Response;
using lade::registry::throw_if_transient;
using lade::registry::throw_status;
using lade::registry::Transient;
using lade::registry::Url;

namespace {

const Request request{.method = "HEAD", .url = *Url::parse("https://u:p@reg.example/v2/a?sig=secret")};

Error thrown(int status, const std::string& body = "") {
    try {
        throw_status(request, {.status = status, .body = body}, "denied");
    } catch (const Error& error) {
        return error;
    }
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("the errors of a registry are joined") {
        CHECK(error_text(
                  R"({"errors":[{"code":"A","message":"one"},{"code":"B"},{"message":"three","detail":{"x":1}}]})") ==
              "A: one; B; three");
        CHECK(error_text("{\"errors\":[{\"message\":\"a\\u001b[1m\"}]}") == "a\\x1b[1m");
        for (const char* body :
             {"", "<html>", "{}", "{", "[]", R"({"errors":{}})", R"({"errors":[1]})", R"({"errors":[{"code":1}]})"})
            CHECK(error_text(body).empty());
        CHECK(error_text(R"({"errors":[{"message":")" + std::string(5000, 'x') + R"("}]})").size() < 1100);
    }

    TEST_CASE("their codes are known by themselves") {
        using lade::registry::error_codes;
        CHECK(error_codes(R"({"errors":[{"code":"DIGEST_INVALID","message":"x"},{"message":"y"},{"code":"B"}]})") ==
              std::vector<std::string>{"DIGEST_INVALID", "", "B"});
        for (const char* body : {"", "<html>", "{}", R"({"errors":[{"code":1}]})"})
            CHECK(error_codes(body).empty());
    }

    TEST_CASE("a status becomes the kind of its remedy") {
        CHECK(thrown(401).kind() == ErrorKind::unauthenticated);
        CHECK(thrown(403).kind() == ErrorKind::permission_denied);
        CHECK(thrown(404).kind() == ErrorKind::not_found);
        CHECK(thrown(429).kind() == ErrorKind::unavailable);
        CHECK(thrown(500).kind() == ErrorKind::unavailable);
        CHECK(thrown(505).kind() == ErrorKind::unavailable);
        CHECK(thrown(400).kind() == ErrorKind::failed_precondition);
    }

    TEST_CASE("the message names the request without its secrets") {
        CHECK(thrown(404).message() == "HEAD https://reg.example/v2/a: 404 Not Found");
        CHECK(thrown(401, R"({"errors":[{"code":"UNAUTHORIZED"}]})").message() ==
              "HEAD https://reg.example/v2/a: 401 Unauthorized: denied: UNAUTHORIZED");
        CHECK(thrown(599).message() == "HEAD https://reg.example/v2/a: 599");
    }

    TEST_CASE("what may pass is tried again") {
        for (const int status : {408, 429, 500, 502, 503, 504})
            CHECK_THROWS_AS(throw_if_transient(request, {.status = status}), Transient);
        for (const int status : {200, 206, 301, 400, 401, 403, 404, 405, 416, 501})
            CHECK_NOTHROW(throw_if_transient(request, {.status = status}));
    }
}
