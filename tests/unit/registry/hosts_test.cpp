// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "registry/hosts.hpp"

using lade::registry::Host;
using lade::registry::registry_of;

namespace {

std::string contacted(const std::string& domain, const lade::registry::HostRules& rules = {}) {
    return registry_of(domain, rules).base.string();
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("a domain is contacted over https, the hub under its own name") {
        CHECK(contacted("docker.io") == "https://registry-1.docker.io/v2");
        CHECK(contacted("reg.example:5000") == "https://reg.example:5000/v2");
        CHECK(registry_of("reg.example", {}).verify);
        CHECK_FALSE(registry_of("reg.example", {}).try_https_too);
        CHECK_FALSE(registry_of("reg.example", {.skip_verify = true}).verify);
        CHECK(contacted("reg.example", {.plain_http = true}) == "http://reg.example/v2");
    }

    TEST_CASE("loopback speaks http first, except on 443") {
        for (const char* domain : {"localhost:5000", "127.0.0.1:5000", "[::1]:5000"}) {
            const Host host = registry_of(domain, {});
            CHECK(host.base.scheme == "http");
            CHECK(host.try_https_too);
            CHECK_FALSE(host.verify);
            CHECK_FALSE(registry_of(domain, {.plain_http = true}).try_https_too);
        }
        CHECK(contacted("localhost") == "https://localhost/v2");
        CHECK(contacted("localhost:443") == "https://localhost/v2");
        CHECK(contacted("localhost:80") == "http://localhost/v2");
        CHECK_FALSE(registry_of("localhost:80", {}).try_https_too);
    }

    TEST_CASE("a domain that is no host is refused") {
        CHECK_THROWS_AS(registry_of("a b", {}), lade::Error);
        CHECK_THROWS_AS(registry_of("", {}), lade::Error);
    }
}
