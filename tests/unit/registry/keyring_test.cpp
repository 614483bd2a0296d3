// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/keyring.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::registry;
using lade::test::kind_of;

namespace {

// A home of its own, with none of the variables that say where credentials are; all is put back afterwards.
class Home {
public:
    Home() : folder_(std::filesystem::temp_directory_path() / ("lade-" + random_text(10))) {
        for (const char* name : {"HOME", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "DOCKER_CONFIG", "XDG_RUNTIME_DIR",
                                 "XDG_CONFIG_HOME", "PATH"}) {
            const char* value = std::getenv(name);
            before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
            if (std::string(name) != "PATH")
                ::unsetenv(name);
        }
        set("HOME", folder_ / "home");
        set("XDG_RUNTIME_DIR", folder_ / "run");
        std::filesystem::create_directories(folder_ / "home");
    }
    ~Home() {
        for (const auto& [name, value] : before_)
            if (value)
                ::setenv(name.c_str(), value->c_str(), 1);
            else
                ::unsetenv(name.c_str());
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;

    static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
    std::string path(const std::string& name) const { return folder_ / name; }
    std::string write(const std::string& name, const std::string& text) const {
        const std::filesystem::path file = folder_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
        return file;
    }
    std::string read(const std::string& name) const {
        std::ostringstream text;
        text << std::ifstream(folder_ / name).rdbuf();
        return text.str();
    }

private:
    std::filesystem::path folder_;
    std::map<std::string, std::optional<std::string>> before_;
};

std::string entry(const std::string& key, const std::string& user) {
    return cat('"', key, R"(":{"auth":")", base64_encode(user + ":s"), "\"}");
}
std::string auths(const std::string& key, const std::string& user) {
    return cat(R"({"auths":{)", entry(key, user), "}}");
}

Keyring keyring() {
    return Keyring([](const ProgramCall&, const std::stop_token&) -> ProgramReply {
        FAIL("a helper was asked");
        return {};
    });
}

std::string user_at(const std::string& registry, const std::string& repository = "") {
    const auto found = keyring().find({.registry = registry, .repository = repository}, {});
    return found ? found->user : "(none)";
}

// The user in a file of credentials.
std::string user_in(const std::string& text, const std::string& registry, const std::string& repository = "") {
    const auto found = AuthFile::parse(text).find({.registry = registry, .repository = repository});
    return found ? found->user : "(none)";
}

const Credentials bob{.user = "bob", .secret = "hunter2", .registry_token = {}};

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("keys: exact, then by host name; the hub has a name of its own") {
        const std::string text =
            cat(R"({"auths":{)", entry("https://index.docker.io/v1/", "hub"), ',',
                entry("https://reg.example/v2/", "by-host"), ',', entry("old.example/v1/", "old"), ',',
                entry("exact.example:5000", "exact"), ',', entry("http://exact.example:5000/v1/", "other"), "}}");
        CHECK(user_in(text, "docker.io") == "hub");
        CHECK(user_in(text, "docker.io", "library/alpine") == "hub");
        CHECK(user_in(text, "registry-1.docker.io") == "hub");
        CHECK(user_in(text, "reg.example") == "by-host");
        CHECK(user_in(text, "REG.example") == "by-host");
        CHECK(user_in(text, "old.example") == "old");
        CHECK(user_in(text, "exact.example:5000") == "exact");
        CHECK(user_in(text, "exact.example") == "(none)");
        CHECK(user_in(text, "sub.reg.example") == "(none)");
        CHECK(user_in(text, "example") == "(none)");
    }

    TEST_CASE("keys of namespaces: the longest that contains the repository, and no other") {
        const std::string text = cat(R"({"auths":{)", entry("r.test/a/b", "two"), ',', entry("r.test/a", "one"), ',',
                                     entry("only.test/a", "inside"), ',', entry("r.test", "host"), "}}");
        CHECK(user_in(text, "r.test", "a/b/c") == "two");
        CHECK(user_in(text, "r.test", "a/b") == "two");
        CHECK(user_in(text, "r.test", "a/bc") == "one");
        CHECK(user_in(text, "r.test", "a") == "one");
        CHECK(user_in(text, "r.test", "ab/c") == "host");
        CHECK(user_in(text, "r.test") == "host");
        CHECK(user_in(text, "only.test", "a/x") == "inside");
        CHECK(user_in(text, "only.test", "b/x") == "(none)");
        CHECK(user_in(text, "only.test") == "(none)");
    }

    TEST_CASE("the forms of an entry") {
        const AuthFile file = AuthFile::parse(
            cat(R"({"auths":{"pair":{"username":"u","password":"p"},"identity":{"auth":")", base64_encode("u:p"),
                R"(","identitytoken":"i"},"fixed":{"registrytoken":"r"},"empty":{},"null":null,"nul":{"auth":")",
                base64_encode(std::string("u:p\0\0", 5)), "\"}}}"));
        CHECK(file.find({.registry = "pair"})->secret == "p");
        CHECK(file.find({.registry = "identity"}) == Credentials::of_identity_token("i"));
        CHECK(file.find({.registry = "fixed"})->registry_token == "r");
        CHECK_FALSE(file.find({.registry = "empty"}));
        CHECK_FALSE(file.find({.registry = "null"}));
        CHECK(file.find({.registry = "nul"})->secret == "p");
    }

    TEST_CASE("what cannot be read is named, its secrets are not") {
        const Home home;
        for (const std::string& text :
             {std::string(R"({"auths":{"r":{"auth":"hunter2)"), std::string("hunter2"), std::string("[1]"),
              std::string(R"({"auths":{"r":{"auth":"hunter2:!"}}})"), std::string(R"({"auths":{"r":["hunter2"]}})"),
              std::string(R"({"auths":"hunter2"})"),
              cat(R"({"auths":{"r":{"auth":")", base64_encode("hunter2"), "\"}}}"),
              cat(R"({"auths":{"r":{"auth":")", base64_encode(":hunter2"), "\"}}}")})
            for (const bool in_variable : {false, true}) {
                INFO(text);
                home.write("home/.docker/config.json", in_variable ? "" : text);
                Home::set("DOCKER_AUTH_CONFIG", in_variable ? text : "");
                try {
                    keyring().find({.registry = "r"}, {});
                    FAIL("accepted");
                } catch (const Error& error) {
                    CHECK(error.kind() == ErrorKind::invalid_argument);
                    CHECK(error.message().find(in_variable ? "DOCKER_AUTH_CONFIG" : "config.json") !=
                          std::string::npos);
                    CHECK(error.message().find("hunter2") == std::string::npos);
                }
            }
        Home::set("DOCKER_AUTH_CONFIG", "");
        // An entry that cannot be used is the matter of those who want it.
        home.write("home/.docker/config.json", cat(R"({"auths":{"r":{"auth":"!"},)", entry("other", "bob"), "}}"));
        CHECK(user_at("other") == "bob");
    }

    TEST_CASE("the order of places") {
        const Home home;
        CHECK(user_at("r") == "(none)");
        home.write("home/.docker/config.json", auths("r", "docker"));
        CHECK(user_at("r") == "docker");
        home.write("home/.config/containers/auth.json", auths("r", "config"));
        CHECK(user_at("r") == "config");
        Home::set("XDG_CONFIG_HOME", home.path("elsewhere"));
        CHECK(user_at("r") == "docker");
        ::unsetenv("XDG_CONFIG_HOME");
        home.write("run/containers/auth.json", auths("r", "run"));
        CHECK(user_at("r") == "run");
        // Entries without a credential say nothing.
        home.write("run/containers/auth.json", R"({"auths":{"r":{}}})");
        CHECK(user_at("r") == "config");
        home.write("named/config.json", auths("r", "named"));
        Home::set("DOCKER_CONFIG", home.path("named"));
        CHECK(user_at("r") == "named");
        Home::set("DOCKER_AUTH_CONFIG", auths("r", "text"));
        CHECK(user_at("r") == "text");
        CHECK(user_at("other") == "(none)");
        Home::set("DOCKER_AUTH_CONFIG", auths("other", "text"));
        CHECK(user_at("r") == "named");
        Home::set("REGISTRY_AUTH_FILE", home.write("file", auths("r", "file")));
        CHECK(user_at("r") == "file");
        CHECK(user_at("other") == "(none)");
        Home::set("REGISTRY_AUTH_FILE", home.path("no-such-file"));
        CHECK(user_at("r") == "(none)");
    }

    TEST_CASE("the text in the environment knows auths alone") {
        const Home home;
        for (const char* text : {R"({"auths":{},"credsStore":"x"})", R"({"auths":{"r":{"auth":"dTpw","email":"e"}}})",
                                 R"({"auths":{"r":{"username":"u","password":"p"}}})"}) {
            Home::set("DOCKER_AUTH_CONFIG", text);
            CHECK(kind_of([] { keyring().find({.registry = "r"}, {}); }) == ErrorKind::invalid_argument);
        }
    }

    TEST_CASE("who has a credential helper") {
        const AuthFile named = AuthFile::parse(R"({"credHelpers":{"a.test":"x","https://index.docker.io/v1/":"y"}})");
        CHECK(named.helper("a.test") == "x");
        CHECK(named.helper("docker.io") == "y");
        CHECK_FALSE(named.helper("b.test"));
        const AuthFile both = AuthFile::parse(R"({"credsStore":"s","credHelpers":{"a.test":"x"}})");
        CHECK(both.helper("b.test") == "s");
        CHECK(both.helper("a.test") == "x");
        CHECK_FALSE(AuthFile::parse(R"({"credsStore":""})").helper("b.test"));
    }

    TEST_CASE("the helper protocol") {
        const Home home;
        const std::string program = home.write("bin/docker-credential-fake-1", "#!/bin/sh\n");
        REQUIRE(::chmod(program.c_str(), 0755) == 0);
        Home::set("PATH", home.path("bin"));
        home.write("home/.docker/config.json", cat(R"({"credsStore":"fake-1",)", auths("plain", "ignored").substr(1)));
        std::vector<std::string> asked;
        std::map<std::string, ProgramReply> replies;
        const Keyring ring([&](const ProgramCall& call, const std::stop_token&) {
            CHECK(call.path == program);
            asked.push_back(cat(call.arguments.at(0), ' ', call.input));
            const ProgramReply none{.code = 1, .output = "credentials not found in native keychain\n"};
            return replies.contains(call.input) ? replies.at(call.input) : none;
        });
        replies["r:5"] = {.output = R"({"ServerURL":"r:5","Username":"u","Secret":"p"})"};
        CHECK(ring.find({.registry = "r:5", .repository = "a/b"}, {}) ==
              Credentials{.user = "u", .secret = "p", .registry_token = {}});
        CHECK(asked == std::vector<std::string>{"get r:5"});
        replies["https://index.docker.io/v1/"] = {.output = R"({"Username":"<token>","Secret":"i"})"};
        CHECK(ring.find({.registry = "docker.io"}, {}) == Credentials::of_identity_token("i"));
        asked.clear();
        CHECK_FALSE(ring.find({.registry = "plain"}, {}));
        CHECK(asked == std::vector<std::string>{"get plain", "get https://plain"});

        const auto failure = [&](const ProgramReply& reply) -> std::string {
            replies["bad"] = reply;
            try {
                ring.find({.registry = "bad"}, {});
            } catch (const Error& error) {
                return error.message();
            }
            return "";
        };
        const std::string locked = failure({.code = 1, .output = "the keychain is locked\n"});
        CHECK(locked.find("docker-credential-fake-1") != std::string::npos);
        CHECK(locked.find("config.json") != std::string::npos);
        CHECK(locked.find("the keychain is locked") != std::string::npos);
        CHECK(failure({.code = 2, .errors = "Traceback\ncause\n"}).find("cause") != std::string::npos);
        for (const ProgramReply& reply :
             {ProgramReply{.code = 1, .output = R"({"Secret":"hunter2"})"}, ProgramReply{.output = "hunter2"},
              ProgramReply{.output = R"({"Secret":["hunter2"]})"}, ProgramReply{.output = ""}}) {
            CHECK_FALSE(failure(reply).empty());
            CHECK(failure(reply).find("hunter2") == std::string::npos);
        }
    }

    TEST_CASE("a helper is a name, and is there") {
        const Home home;
        for (const char* name : {"../../bin/sh", "X", "a b", "a.b"}) {
            home.write("home/.docker/config.json", cat(R"({"credsStore":")", name, "\"}"));
            CHECK(kind_of([] { keyring().find({.registry = "r"}, {}); }) == ErrorKind::invalid_argument);
        }
        home.write("home/.docker/config.json", R"({"credsStore":"no-such-helper"})");
        CHECK(kind_of([] { keyring().find({.registry = "r"}, {}); }) == ErrorKind::failed_precondition);
    }

    TEST_CASE("what is stored is found, and the rest of the file stays") {
        const Home home;
        home.write(
            "home/.docker/config.json",
            R"({"psFormat":"x","auths":{"z":{"auth":"dTpw"},"http://r/v1/":{"auth":"dTpw"}},"aliases":{"b":"1"}})");
        CHECK(keyring().store({.registry = "r"}, bob, {}) == home.path("home/.docker/config.json"));
        CHECK(home.read("home/.docker/config.json") ==
              "{\n\t\"psFormat\": \"x\",\n\t\"auths\": {\n\t\t\"z\": {\n\t\t\t\"auth\": "
              "\"dTpw\"\n\t\t},\n\t\t\"r\": {\n\t\t\t\"auth\": \"Ym9iOmh1bnRlcjI=\"\n\t\t}\n\t},\n\t"
              "\"aliases\": {\n\t\t\"b\": \"1\"\n\t}\n}\n");
        CHECK(keyring().find({.registry = "r"}, {}) == bob);
        keyring().store({.registry = "docker.io"}, Credentials::of_identity_token("i"), {});
        CHECK(home.read("home/.docker/config.json").find("https://index.docker.io/v1/") != std::string::npos);
        CHECK(keyring().find({.registry = "docker.io"}, {}) == Credentials::of_identity_token("i"));
        keyring().store({.registry = "r", .repository = "a"}, {.user = "ann", .secret = "s", .registry_token = {}}, {});
        CHECK(user_at("r", "a/b") == "ann");
        CHECK(user_at("r", "b") == "bob");
        CHECK(keyring().erase({.registry = "r"}, {}) == std::vector{home.path("home/.docker/config.json")});
        CHECK(user_at("r") == "(none)");
        CHECK(user_at("r", "a/b") == "ann");
        CHECK(keyring().erase({.registry = "r"}, {}).empty());
    }

    TEST_CASE("where it is stored") {
        const Home home;
        // None of the files is there.
        CHECK(keyring().store({.registry = "r"}, bob, {}) == home.path("run/containers/auth.json"));
        struct stat status {};
        REQUIRE(::stat(home.path("run/containers/auth.json").c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0600U);
        // One that has the host already comes first, so that the newest is what is found.
        home.write("home/.docker/config.json", auths("other", "old"));
        CHECK(keyring().store({.registry = "other"}, bob, {}) == home.path("home/.docker/config.json"));
        CHECK(user_at("other") == "bob");
        CHECK(keyring().store({.registry = "third"}, bob, {}) == home.path("run/containers/auth.json"));
    }

    TEST_CASE("a file is replaced with what it had been: a link stays a link, and nobody else may read it") {
        const Home home;
        const std::string real = home.write("real/there.json", "");
        REQUIRE(::chmod(real.c_str(), 0644) == 0);
        std::filesystem::create_directories(home.path("home/.docker"));
        std::filesystem::create_symlink("../../real/there.json", home.path("home/.docker/config.json"));
        home.write("real/there.json.tmp", "left by somebody");
        keyring().store({.registry = "r"}, bob, {});
        CHECK(std::filesystem::is_symlink(home.path("home/.docker/config.json")));
        CHECK(user_at("r") == "bob");
        struct stat status {};
        REQUIRE(::stat(real.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0600U);
        CHECK_FALSE(std::filesystem::exists(home.path("real/there.json.tmp")));
        // What cannot be understood is not overwritten.
        home.write("real/there.json", R"({"auths":[]})");
        CHECK(kind_of([] { keyring().store({.registry = "r"}, bob, {}); }) == ErrorKind::invalid_argument);
        CHECK(home.read("real/there.json") == R"({"auths":[]})");
    }

    TEST_CASE("writers at the same time lose nothing") {
        const Home home;
        const std::string path = home.path("run/containers/auth.json");
        constexpr int count = 8;
        std::vector<std::thread> writers;
        writers.reserve(count);
        for (int i = 0; i < count; ++i)
            writers.emplace_back([&path, i] { store_entry(path, {.registry = cat("r", i)}, bob, {}); });
        for (std::thread& writer : writers)
            writer.join();
        for (int i = 0; i < count; ++i)
            CHECK(user_at(cat("r", i)) == "bob");
    }
}
