// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "registry/url.hpp"

using lade::registry::is_local_address;
using lade::registry::is_loopback;
using lade::registry::is_private_address;
using lade::registry::Url;

TEST_SUITE("registry") {
    TEST_CASE("a URL is read into parts and put together again") {
        const auto url = Url::parse("HTTPS://Reg.Example:8443/v2/a?x=1#part");
        REQUIRE(url);
        CHECK(url->scheme == "https");
        CHECK(url->host == "reg.example");
        CHECK(url->port == 8443);
        CHECK(url->target == "/v2/a?x=1");
        CHECK(url->string() == "https://reg.example:8443/v2/a?x=1");
        CHECK(Url::parse("https://a:443")->string() == "https://a/");
        CHECK(Url::parse("http://a:/x")->port == 80);
        CHECK(Url::parse("http://[::1]:5000/x")->string() == "http://[::1]:5000/x");
        CHECK(Url::parse("http://a?b")->string() == "http://a/?b");
        CHECK(Url::parse("http://a/b c\n")->target == "/b%20c%0a");
    }

    TEST_CASE("secrets of a URL are neither connected with nor shown") {
        const auto url = Url::parse("https://user:secret@a/b?signature=secret");
        REQUIRE(url);
        CHECK(url->string().find("user") == std::string::npos);
        CHECK(url->shown() == "https://a/b");
    }

    TEST_CASE("what is no http URL with a plain host is refused") {
        for (const char* text : {"", "a", "ftp://a", "file:///etc/passwd", "http://", "http:///x", "http://a b/",
                                 "http://a\\@b/", "http://a:0/", "http://a:65536/", "http://a:x/", "http://[::1/",
                                 "http://[x]/", "http://a%2fb/", "http://\xc3\xa4/", "//a/b"}) {
            INFO(text);
            CHECK_FALSE(Url::parse(text));
        }
        // The authority ends where curl, too, sees its end: what follows '@' is the host.
        CHECK(Url::parse("http://a@b/")->host == "b");
        CHECK(Url::parse("http://a#@b/")->host == "a");
    }

    TEST_CASE("redirects are resolved against where they came from") {
        const Url base = *Url::parse("https://a:1/v2/x/blobs/1?q=2");
        CHECK(base.resolve("https://b/y")->string() == "https://b/y");
        CHECK(base.resolve("//b:2/y")->string() == "https://b:2/y");
        CHECK(base.resolve("/y?z=1")->string() == "https://a:1/y?z=1");
        CHECK(base.resolve("../y")->string() == "https://a:1/v2/x/y");
        CHECK(base.resolve("/../../y/./z/..")->string() == "https://a:1/y/");
        CHECK(base.resolve("?k=a:b")->string() == "https://a:1/v2/x/blobs/1?k=a:b");
        CHECK(base.resolve("/y?u=http://c")->host == "a");
        CHECK_FALSE(base.resolve("file:///etc/passwd"));
        CHECK_FALSE(base.resolve("javascript:x"));
    }

    TEST_CASE("an origin is scheme, host and port") {
        const Url a = *Url::parse("https://a/x");
        CHECK(a.same_origin(*Url::parse("https://A:443/y")));
        CHECK_FALSE(a.same_origin(*Url::parse("http://a:443/y")));
        CHECK_FALSE(a.same_origin(*Url::parse("https://a:444/y")));
        CHECK_FALSE(a.same_origin(*Url::parse("https://sub.a/y")));
    }

    TEST_CASE("loopback is what stands there") {
        for (const char* host : {"localhost", "127.0.0.1", "127.255.0.9", "[::1]"})
            CHECK(is_loopback(host));
        for (const char* host :
             {"127.256.0.1", "[127:0:0:1]", "126.example.com", "", "localhost.example", "10.0.0.1", "127.1"})
            CHECK_FALSE(is_loopback(host));
    }

    TEST_CASE("local addresses in every spelling") {
        for (const char* address : {"127.0.0.1", "::1", "[::1]", "0.0.0.0", "::", "169.254.169.254", "fe80::1",
                                    "::ffff:127.0.0.1", "2130706433", "0x7f.1", "127.1"})
            CHECK(is_local_address(address));
        for (const char* address : {"10.0.0.1", "192.168.1.1", "2001:db8::1", "localhost.example", "::ffff:10.0.0.1"})
            CHECK_FALSE(is_local_address(address));
    }

    TEST_CASE("private addresses") {
        for (const char* address : {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
                                    "::ffff:10.0.0.1", "[fd00::1]", "fc00::1", "0x0a000001"})
            CHECK(is_private_address(address));
        for (const char* address :
             {"11.0.0.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2001:db8::1", "127.0.0.1", "10.example"})
            CHECK_FALSE(is_private_address(address));
    }
}
