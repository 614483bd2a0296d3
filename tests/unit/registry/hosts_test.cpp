// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "registry/hosts.hpp"

using lade::registry::Host;
using lade::registry::hosts_for;

namespace {

Host only_host(const std::string& domain, const lade::registry::HostRules& rules = {}) {
    auto hosts = hosts_for(domain, rules);
    REQUIRE(hosts.size() == 1);
    return hosts.front();
}

std::string contacted(const std::string& domain, const lade::registry::HostRules& rules = {}) {
    return only_host(domain, rules).base.string();
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("a domain is contacted over https, the hub under its own name") {
        CHECK(contacted("docker.io") == "https://registry-1.docker.io/v2");
        CHECK(contacted("reg.example:5000") == "https://reg.example:5000/v2");
        CHECK(only_host("reg.example").verify);
        CHECK_FALSE(only_host("reg.example").try_https_too);
        CHECK_FALSE(only_host("reg.example", {.skip_verify = true}).verify);
        CHECK(contacted("reg.example", {.plain_http = true}) == "http://reg.example/v2");
    }

    TEST_CASE("loopback speaks http first, except on 443") {
        for (const char* domain : {"localhost:5000", "127.0.0.1:5000", "[::1]:5000"}) {
            const Host host = only_host(domain);
            CHECK(host.base.scheme == "http");
            CHECK(host.try_https_too);
            CHECK_FALSE(host.verify);
            CHECK_FALSE(only_host(domain, {.plain_http = true}).try_https_too);
        }
        CHECK(contacted("localhost") == "https://localhost/v2");
        CHECK(contacted("localhost:443") == "https://localhost/v2");
        CHECK(contacted("localhost:80") == "http://localhost/v2");
        CHECK_FALSE(only_host("localhost:80").try_https_too);
    }

    TEST_CASE("a domain that is no host is refused") {
        CHECK_THROWS_AS(hosts_for("a b", {}), lade::Error);
        CHECK_THROWS_AS(hosts_for("", {}), lade::Error);
    }
}
