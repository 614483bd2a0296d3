// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.hpp"
#include "registry/credentials.hpp"

using lade::Error;
using lade::registry::parse_user;
using lade::registry::same_site;

TEST_SUITE("registry") {
    TEST_CASE("credentials of the command line") {
        CHECK(parse_user("bob:a:b").user == "bob");
        CHECK(parse_user("bob:a:b").secret == "a:b");
        CHECK(parse_user("bob").secret.empty());
        CHECK(parse_user(":token").user.empty());
        CHECK(parse_user(":token").secret == "token");
        CHECK_THROWS_AS(parse_user(""), Error);
        CHECK_THROWS_AS(parse_user(":"), Error);
    }

    TEST_CASE("what is one site") {
        CHECK(same_site("registry-1.docker.io", "auth.docker.io"));
        CHECK(same_site("dhi.io", "auth.docker.io"));
        CHECK(same_site("registry.gitlab.com", "GitLab.com"));
        CHECK(same_site("r.example.co.uk", "auth.example.co.uk"));
        CHECK(same_site("127.0.0.1", "127.0.0.1"));
        CHECK(same_site("localhost", "localhost"));
        CHECK_FALSE(same_site("one.co.uk", "two.co.uk"));
        CHECK_FALSE(same_site("example.org", "example.com"));
        CHECK_FALSE(same_site("docker.io", "docker.io.evil.test"));
        CHECK_FALSE(same_site("notdocker.io", "docker.io"));
        CHECK_FALSE(same_site("192.0.2.1", "192.1.2.1"));
        CHECK_FALSE(same_site("10.0.2.1", "11.0.2.1"));
        CHECK_FALSE(same_site("[::1]", "[::2]"));
        CHECK_FALSE(same_site("localhost", "registry"));
    }
}
