// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "registry/proxies.hpp"

using lade::registry::is_proxy;

namespace {

// Set for the time of a test, which no other runs beside.
class Variable {
public:
    Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
    ~Variable() { ::unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    const char* name_;
};

} // namespace

TEST_SUITE("proxies") {
    TEST_CASE("without a variable there is none") {
        CHECK_FALSE(is_proxy("http", "192.0.2.1", 3128));
        CHECK_FALSE(is_proxy("https", "192.0.2.1", 3128));
    }

    TEST_CASE("one that is an address is known by it and its port") {
        const Variable variable("http_proxy", "http://192.0.2.9:3128");
        CHECK(is_proxy("http", "192.0.2.9", 3128));
        CHECK_FALSE(is_proxy("http", "192.0.2.9", 80));
        CHECK_FALSE(is_proxy("http", "127.0.0.1", 3128));
        CHECK_FALSE(is_proxy("https", "192.0.2.9", 3128));
    }

    TEST_CASE("one that is a name has no address of this machine") {
        const Variable variable("https_proxy", "user:word@proxy.example:3128/");
        CHECK(is_proxy("https", "192.0.2.9", 3128));
        CHECK_FALSE(is_proxy("https", "127.0.0.1", 3128));
        CHECK_FALSE(is_proxy("https", "169.254.169.254", 3128));
        CHECK_FALSE(is_proxy("https", "192.0.2.9", 443));
    }

    TEST_CASE("one on this machine") {
        const Variable variable("all_proxy", "socks5h://localhost");
        CHECK(is_proxy("http", "127.0.0.1", 1080));
        CHECK(is_proxy("https", "::1", 1080));
        CHECK_FALSE(is_proxy("https", "127.0.0.1", 80));
    }

    TEST_CASE("IPv6 and the port of https") {
        const Variable variable("ALL_PROXY", "https://[2001:db8::1]");
        CHECK(is_proxy("http", "2001:db8::1", 443));
        CHECK_FALSE(is_proxy("http", "2001:db8::2", 443));
        CHECK_FALSE(is_proxy("http", "2001:db8::1", 1080));
    }
}
