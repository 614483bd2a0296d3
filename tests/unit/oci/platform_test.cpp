// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "oci/platform.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::oci::best_match;
using lade::oci::exact_match;
using lade::oci::fallbacks;
using lade::oci::host_platform;
using lade::oci::matches;
using lade::oci::normalize;
using lade::oci::parse_platform;
using lade::oci::Platform;
using lade::oci::to_string;

namespace {

std::string parsed(const std::string& text) {
    return to_string(parse_platform(text));
}

std::string normal(const std::string& architecture, const std::string& variant = "") {
    const Platform platform = normalize({.os = "Linux", .architecture = architecture, .variant = variant});
    return to_string(platform).substr(6);
}

std::vector<std::string> accepted(const std::string& wish) {
    std::vector<std::string> names;
    for (const Platform& platform : fallbacks(parse_platform("linux/" + wish)))
        names.push_back(to_string(platform).substr(6));
    return names;
}

using Names = std::vector<std::string>;

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("architecture aliases and default variants") {
        CHECK(normal("i386", "x") == "386");
        CHECK(normal("x86_64", "v1") == "amd64");
        CHECK(normal("X86-64") == "amd64");
        CHECK(normal("amd64", "v3") == "amd64/v3");
        CHECK(normal("aarch64", "8") == "arm64");
        CHECK(normal("arm64", "v8.0") == "arm64");
        CHECK(normal("arm64", "9.0") == "arm64/v9");
        CHECK(normal("armhf") == "arm/v7");
        CHECK(normal("armel") == "arm/v6");
        CHECK(normal("arm") == "arm/v7");
        CHECK(normal("arm", "5") == "arm/v5");
        CHECK(normal("riscv64") == "riscv64");
        CHECK(normalize({.os = "macOS", .architecture = "arm64"}).os == "darwin");
        CHECK(normalize({.architecture = "arm64"}).os == "linux");
        CHECK(normalize({.os = "linux", .os_features = {"b", "a", "b"}}).os_features == Names{"a", "b"});
    }

    TEST_CASE("specifiers of one, two and three parts") {
        CHECK(parsed("linux/amd64") == "linux/amd64");
        CHECK(parsed("Linux/x86_64") == "linux/amd64");
        CHECK(parsed("linux/arm64/v8") == "linux/arm64");
        CHECK(parsed("linux/arm") == parsed("linux/arm/v7"));
        CHECK(parsed("arm64") == "linux/arm64");
        CHECK(parsed("armel") == "linux/arm/v6");
        CHECK(parsed("linux") == to_string(host_platform()));
        CHECK(parsed("windows") == "windows" + to_string(host_platform()).substr(5));
        const Platform windows = parse_platform("windows(10.0.17763+win32k+a%2Bb)/amd64");
        CHECK(windows.os_version == "10.0.17763");
        CHECK(windows.os_features == Names{"a+b", "win32k"});
    }

    TEST_CASE("what is no platform is refused") {
        for (const char* text : {"", "*", "linux/", "/amd64", "linux//v8", "a/b/c/d", "linux/ amd64", "nosuch",
                                 "linux/*", "linux(", "linux(x/amd64", "linux(x)y/amd64", "linux(%2)/amd64",
                                 "linux(%zz)/amd64", "linux(a+)/amd64", "amd64(1.0)", "(1.0)/amd64"}) {
            INFO(text);
            try {
                parse_platform(text);
                FAIL("accepted");
            } catch (const Error& error) {
                CHECK(error.kind() == ErrorKind::invalid_argument);
            }
        }
    }

    TEST_CASE("fallbacks, best first") {
        CHECK(accepted("amd64") == Names{"amd64", "386"});
        CHECK(accepted("amd64/v3") == Names{"amd64/v3", "amd64/v2", "amd64", "386"});
        CHECK(accepted("386") == Names{"386"});
        CHECK(accepted("arm/v8") == Names{"arm/v8", "arm/v7", "arm/v6", "arm/v5"});
        CHECK(accepted("arm") == Names{"arm/v7", "arm/v6", "arm/v5"});
        CHECK(accepted("arm/v5") == Names{"arm/v5"});
        CHECK(accepted("arm64") == Names{"arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"});
        CHECK(accepted("arm64/v8.2") ==
              Names{"arm64/v8.2", "arm64/v8.1", "arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"});
        CHECK(accepted("arm64/v9.1") == Names{"arm64/v9.1", "arm64/v9", "arm64/v8.6", "arm64/v8.5", "arm64/v8.4",
                                              "arm64/v8.3", "arm64/v8.2", "arm64/v8.1", "arm64", "arm/v8", "arm/v7",
                                              "arm/v6", "arm/v5"});
        CHECK(accepted("arm64/v9.7")[8] == "arm64/v8.9");
        CHECK(accepted("s390x") == Names{"s390x"});
    }

    TEST_CASE("a match is exact and needs no unknown feature") {
        const Platform wish = parse_platform("linux/amd64");
        CHECK(matches(wish, {.os = "linux", .architecture = "x86_64"}));
        CHECK_FALSE(matches(wish, {.os = "linux", .architecture = "amd64", .variant = "v2"}));
        CHECK_FALSE(matches(wish, {.os = "windows", .architecture = "amd64"}));
        CHECK(matches(wish, {.os = "linux", .architecture = "amd64", .os_version = "5"}));
        CHECK_FALSE(matches(wish, {.os = "linux", .architecture = "amd64", .os_features = {"x"}}));
        CHECK(
            matches(parse_platform("linux(+x)/amd64"), {.os = "linux", .architecture = "amd64", .os_features = {"x"}}));
        const Platform windows = parse_platform("windows(10.0.17763.1)/amd64");
        CHECK(matches(
            windows,
            {.os = "windows", .architecture = "amd64", .os_version = "10.0.17763.99", .os_features = {"win32k"}}));
        CHECK_FALSE(matches(windows, {.os = "windows", .architecture = "amd64", .os_version = "10.0.20348.1"}));
    }

    TEST_CASE("the best offer") {
        const auto offer = [](const std::string& text) { return std::optional(parse_platform(text)); };
        const Platform wish = parse_platform("linux/amd64");
        CHECK(best_match(wish, {offer("linux/386"), std::nullopt, offer("linux/amd64"), offer("linux/amd64")}) == 2);
        CHECK(best_match(wish, {offer("linux/386"), offer("linux/arm64")}) == 0);
        CHECK_FALSE(best_match(wish, {std::nullopt, offer("linux/amd64/v2")}));
        CHECK(best_match(parse_platform("linux(+x)/amd64"), {offer("linux/amd64"), offer("linux(+x)/amd64")}) == 1);
        CHECK_FALSE(best_match(wish, {}));
        CHECK_FALSE(exact_match(wish, {offer("linux/386"), offer("linux/arm64")}));
        CHECK(exact_match(wish, {offer("linux/386"), offer("linux/amd64")}) == 1);
    }

    TEST_CASE("printing") {
        CHECK(to_string({.os = "", .architecture = "amd64"}) == "unknown/amd64");
        CHECK(to_string({.os = "linux", .architecture = "arm", .variant = "v7"}) == "linux/arm/v7");
    }
}
