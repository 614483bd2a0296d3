// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "oci/reference.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::oci::Reference;

namespace {

const std::string digest = "sha256:" + std::string(64, 'a');

std::string canonical(const std::string& text) {
    return Reference::parse(text).string();
}

ErrorKind refusal(const std::string& text) {
    try {
        Reference::parse(text);
    } catch (const Error& error) {
        return error.kind();
    }
    FAIL("accepted: ", text);
    return ErrorKind::internal;
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("a familiar reference becomes the full one") {
        CHECK(canonical("alpine") == "docker.io/library/alpine:latest");
        CHECK(canonical("alpine@" + digest) == "docker.io/library/alpine@" + digest);
        CHECK(canonical("user/app:1") == "docker.io/user/app:1");
        CHECK(canonical("localhost/app") == "localhost/app:latest");
        CHECK(canonical("localhost:5000/app") == "localhost:5000/app:latest");
        CHECK(canonical("myhost/app") == "docker.io/myhost/app:latest");
        CHECK(canonical("MyHost/app") == "MyHost/app:latest");
        CHECK(canonical("index.docker.io/app") == "docker.io/library/app:latest");
        CHECK(canonical("[::1]:5000/app") == "[::1]:5000/app:latest");
        CHECK(canonical("localhost:5000") == "docker.io/library/localhost:5000");
        CHECK(canonical("docker.io/library/redis") == "docker.io/library/redis:latest");
        CHECK(canonical("docker.io/redis:7") == "docker.io/library/redis:7");
    }

    TEST_CASE("a full reference stays as it is") {
        for (const std::string& text :
             {std::string("docker.io/library/redis:foo"), std::string("reg.example:5000/a/b/c:T_1.2-3"),
              std::string("reg.example/a__b/c-d--e/f.g:x"), "reg.example/a:1@" + digest})
            CHECK(canonical(text) == text);
    }

    TEST_CASE("with tag and digest the digest is asked for and both are kept") {
        const Reference reference = Reference::parse("alpine:3@" + digest);
        CHECK(reference.tag() == "3");
        CHECK(reference.object() == digest);
        CHECK(reference.repository() == "docker.io/library/alpine");
        CHECK(Reference::parse("alpine:3").object() == "3");
    }

    TEST_CASE("what is no reference is refused") {
        for (const std::string& text : {std::string(),
                                        std::string("Alpine"),
                                        std::string(64, 'a'),
                                        std::string("http://docker.io/library/redis:foo"),
                                        std::string("docker.io/redis?x=1"),
                                        std::string("docker.io/redis#f"),
                                        std::string("user@docker.io/redis"),
                                        std::string("/docker.io/redis"),
                                        std::string("a//b"),
                                        std::string("a/"),
                                        std::string("localhost/"),
                                        std::string("alpine:"),
                                        std::string("alpine:-x"),
                                        std::string("alpine@"),
                                        std::string("alpine@sha256:abc"),
                                        std::string("alpine:") + std::string(129, 'a'),
                                        std::string("a..b"),
                                        std::string("a___b"),
                                        std::string("a-"),
                                        std::string(".a"),
                                        std::string("a_.b"),
                                        std::string("localhost:x/app"),
                                        std::string("localhost:0/app"),
                                        std::string("localhost:65536/app"),
                                        std::string("[::1/app"),
                                        std::string("-host.example/app"),
                                        std::string("host..example/app"),
                                        std::string("h/") + std::string(254, 'a'),
                                        std::string("alpine\n"),
                                        std::string("a b"),
                                        std::string("../x"),
                                        std::string("reg.example/../x")}) {
            INFO(text);
            CHECK(refusal(text) == ErrorKind::invalid_argument);
        }
        CHECK(canonical("reg.example/" + std::string(255, 'a')).size() == 12 + 255 + 7);
        CHECK(canonical("alpine:" + std::string(128, 'a')).ends_with(std::string(128, 'a')));
    }

    TEST_CASE("the error names the text, escaped") {
        try {
            Reference::parse("alpine\x1b[31m");
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.message().starts_with("reference \"alpine\\x1b[31m\": "));
        }
    }

    TEST_CASE("what is no reference can be asked without an error") {
        CHECK(Reference::try_parse("alpine")->string() == "docker.io/library/alpine:latest");
        for (const char* text : {"", "NOPE", "a b", "x@sha256:1"})
            CHECK_FALSE(Reference::try_parse(text));
    }
}
