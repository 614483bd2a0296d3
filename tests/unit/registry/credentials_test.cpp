// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/base64.hpp"
#include "registry/credentials.hpp"

using lade::Error;
using lade::registry::base64_encode;
using lade::registry::find_docker_credentials;
using lade::registry::find_docker_helper;
using lade::registry::parse_user;

namespace {

// A DOCKER_CONFIG folder of its own; the variable is put back afterwards.
class Config {
public:
    explicit Config(const std::string& text)
        : folder_(std::filesystem::temp_directory_path() / ("lade-" + lade::random_text(10))) {
        if (const char* old = std::getenv("DOCKER_CONFIG"))
            old_ = old;
        std::filesystem::create_directory(folder_);
        std::ofstream(folder_ / "config.json") << text;
        ::setenv("DOCKER_CONFIG", folder_.c_str(), 1);
    }
    ~Config() {
        if (old_.empty())
            ::unsetenv("DOCKER_CONFIG");
        else
            ::setenv("DOCKER_CONFIG", old_.c_str(), 1);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Config(const Config&) = delete;
    Config& operator=(const Config&) = delete;

private:
    std::filesystem::path folder_;
    std::string old_;
};

std::string found_user(const std::string& registry) {
    const auto credentials = find_docker_credentials(registry);
    return credentials ? credentials->user : "(none)";
}

} // namespace

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

    TEST_CASE("keys: exact, then by host name; the hub has a name of its own") {
        const auto entry = [](const std::string& key, const std::string& user) {
            return lade::cat('"', key, R"(":{"auth":")", base64_encode(user + ":s"), "\"}");
        };
        const Config config(lade::cat(R"({"auths":{)", entry("https://index.docker.io/v1/", "hub"), ',',
                                      entry("https://reg.example/v2/", "by-host"), ',',
                                      entry("exact.example:5000", "exact"), ',',
                                      entry("http://exact.example:5000/v1/", "other"), "}}"));
        CHECK(found_user("docker.io") == "hub");
        CHECK(found_user("registry-1.docker.io") == "hub");
        CHECK(found_user("reg.example") == "by-host");
        CHECK(found_user("REG.example") == "by-host");
        CHECK(found_user("exact.example:5000") == "exact");
        CHECK(found_user("exact.example") == "(none)");
        CHECK(found_user("sub.reg.example") == "(none)");
        CHECK(found_user("example") == "(none)");
    }

    TEST_CASE("the forms of an entry") {
        const Config config(lade::cat(
            R"({"credsStore":"x","auths":{"pair":{"username":"u","password":"p"},"identity":{"auth":")",
            base64_encode("u:p"), R"(","identitytoken":"i"},"fixed":{"registrytoken":"r"},"empty":{},"nul":{"auth":")",
            base64_encode(std::string("u:p\0\0", 5)), "\"}}}"));
        CHECK(find_docker_credentials("pair")->secret == "p");
        CHECK(find_docker_credentials("identity")->user.empty());
        CHECK(find_docker_credentials("identity")->secret == "i");
        CHECK(find_docker_credentials("fixed")->registry_token == "r");
        CHECK_FALSE(find_docker_credentials("empty"));
        CHECK(find_docker_credentials("nul")->secret == "p");
    }

    TEST_CASE("a file that cannot be read is named, its secrets are not") {
        for (const std::string& text : {std::string(R"({"auths":{"r":{"auth":"hunter2)"), std::string("hunter2"),
                                        std::string("[1]"), std::string(R"({"auths":{"r":{"auth":"hunter2:!"}}})"),
                                        lade::cat(R"({"auths":{"r":{"auth":")", base64_encode("hunter2"), "\"}}}"),
                                        lade::cat(R"({"auths":{"r":{"auth":")", base64_encode(":hunter2"), "\"}}}")}) {
            const Config config(text);
            INFO(text);
            try {
                find_docker_credentials("r");
                FAIL("accepted");
            } catch (const Error& error) {
                CHECK(error.kind() == lade::ErrorKind::invalid_argument);
                CHECK(error.message().find("config.json") != std::string::npos);
                CHECK(error.message().find("hunter2") == std::string::npos);
            }
        }
    }

    TEST_CASE("who has a credential helper") {
        const Config named(R"({"credHelpers":{"a.test":"x","https://index.docker.io/v1/":"y"}})");
        CHECK(find_docker_helper("a.test"));
        CHECK(find_docker_helper("docker.io"));
        CHECK_FALSE(find_docker_helper("b.test"));
        const Config stored(R"({"credsStore":"x"})");
        CHECK(find_docker_helper("b.test"));
        const Config none(R"({"credsStore":""})");
        CHECK_FALSE(find_docker_helper("b.test"));
    }

    TEST_CASE("no file, no entry") {
        const Config config("");
        CHECK_FALSE(find_docker_helper("r"));
        CHECK_FALSE(find_docker_credentials("r"));
        ::setenv("DOCKER_CONFIG", "/nonexistent", 1);
        CHECK_FALSE(find_docker_credentials("r"));
    }
}
