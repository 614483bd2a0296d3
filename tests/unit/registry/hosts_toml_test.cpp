// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "registry/hosts_toml.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::registry::ClientPair;
using lade::registry::HostEntry;
using lade::registry::HostsFile;
using std::chrono::milliseconds;

namespace {

HostsFile parse(const std::string& text) {
    return lade::registry::parse_hosts_toml(text, "/d/hosts.toml");
}

std::vector<std::string> urls(const std::string& text) {
    std::vector<std::string> all;
    for (const HostEntry& entry : parse(text).mirrors)
        all.push_back(entry.url);
    return all;
}

std::string complaint(const std::string& text) {
    try {
        static_cast<void>(parse(text));
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_argument);
        return error.message();
    }
    return "accepted";
}

bool refused(const std::string& text, const std::string& beginning) {
    const std::string said = complaint(text);
    CAPTURE(said);
    CHECK(said.starts_with(beginning));
    return said.starts_with(beginning);
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("hosts.toml: what stands there twice is named as it is written") {
        CHECK(complaint("[host.\"a.b\"]\n[host.\"c\"]\n [host.\"a.b\"] # again") ==
              "/d/hosts.toml:3: [host.\"a.b\"] is there twice, first in line 1");
        CHECK(complaint("ca = \"x\"\n\n\nca=\"y\"") == "/d/hosts.toml:4: ca is there twice, first in line 1");
        CHECK(complaint("skip_verify.x = 1\nskip_verify = true") == "/d/hosts.toml:2: skip_verify is there twice");
    }

    TEST_CASE("hosts.toml: letters of any alphabet") {
        CHECK(urls("# \u011e\n[host.\"\u011e\"] # \u0436\n").size() == 1);
        CHECK(complaint("\u011e = 1") != "accepted");
        CHECK(complaint("ca = \u011e") != "accepted");
        CHECK(complaint("\u2003[host.b]") != "accepted");
    }

    TEST_CASE("hosts.toml: every file has its line") {
        const HostsFile file = parse("ca = [\"a\",\n\"/b\"]\n[host.\"x\"]\nclient = [[\"c\",\n\"k\"], \"d\"]\n");
        using Lines = std::map<std::string, unsigned>;
        CHECK(file.server.lines == Lines{{"/d/a", 1}, {"/b", 2}});
        CHECK(file.mirrors.at(0).lines == Lines{{"/d/c", 4}, {"/d/k", 5}, {"/d/d", 5}});
    }

    TEST_CASE("hosts.toml: every field of a host and of the root") {
        const HostsFile file = parse(R"(
server = "https://reg.example"
ca = "roots.pem"
skip_verify = false
dial_timeout = "1m30s"

[header]
x-one = "1"

[host."https://mirror.example"]
capabilities = ["pull", "resolve"]
ca = ["/a.pem", "b.pem"]
client = "/c.pem"
skip_verify = true
override_path = true
dial_timeout = "250ms"
[host."https://mirror.example".header]
  x-many = ["1", "2"]
)");
        CHECK(file.path == "/d/hosts.toml");
        CHECK(file.warnings.empty());
        CHECK(file.server.url == "https://reg.example");
        CHECK(file.server.line == 2);
        CHECK(file.server.ca == std::vector<std::string>{"/d/roots.pem"});
        CHECK(file.server.skip_verify == false);
        CHECK(file.server.dial_timeout == milliseconds(90'000));
        CHECK(file.server.headers == std::vector<std::string>{"x-one: 1"});
        REQUIRE(file.mirrors.size() == 1);
        const HostEntry& mirror = file.mirrors.front();
        CHECK(mirror.url == "https://mirror.example");
        CHECK(mirror.line == 10);
        CHECK(mirror.capabilities.pull);
        CHECK(mirror.capabilities.resolve);
        CHECK_FALSE(mirror.capabilities.push);
        CHECK_FALSE(mirror.capabilities.referrers);
        CHECK(mirror.ca == std::vector<std::string>{"/a.pem", "/d/b.pem"});
        CHECK(mirror.client == std::vector<ClientPair>{{.certificate = "/c.pem", .key = "/c.pem"}});
        CHECK(mirror.skip_verify == true);
        CHECK(mirror.override_path);
        CHECK(mirror.dial_timeout == milliseconds(250));
        CHECK(mirror.headers == std::vector<std::string>{"x-many: 1", "x-many: 2"});
    }

    TEST_CASE("hosts.toml: nothing said is the registry with all capabilities") {
        const HostsFile file = parse("# nothing\n");
        CHECK(file.server.url.empty());
        CHECK(file.server.capabilities.push);
        CHECK_FALSE(file.server.skip_verify.has_value());
        CHECK(file.mirrors.empty());
        CHECK(parse("[host.\"m\"]\ncapabilities = []\n").mirrors.front().capabilities.resolve);
    }

    TEST_CASE("hosts.toml: hosts in the order in which they are named, however they are written") {
        const std::vector<std::string> in_order{"https://z", "https://a", "https://m"};
        CHECK(urls("[host.\"https://z\"]\n[host.\"https://a\"]\n[host.\"https://m\"]\n") == in_order);
        CHECK(urls("[host.\"https://z\".header]\nx = \"1\"\n[host.\"https://a\"]\n[host.\"https://m\"]\n"
                   "[host.\"https://z\"]\nskip_verify = true\n") == in_order);
        CHECK(urls("host.\"https://z\".skip_verify = true\nhost.\"https://a\".capabilities = [\"pull\"]\n"
                   "host.\"https://m\".ca = \"x\"\n") == in_order);
        CHECK(urls("host = { \"https://z\" = {}, \"https://a\" = { skip_verify = true }, \"https://m\" = {} }\n") ==
              in_order);
        CHECK(urls("[host]\n\"https://z\" = { skip_verify = true }\n\"https://a\" = {}\n[host.\"https://m\"]\n") ==
              in_order);
        CHECK(urls("[host.'https://z']\r\n[host.'https://a']\r\n[host.'https://m']\r\n") == in_order);
    }

    TEST_CASE("hosts.toml: the inline and dotted forms say the same") {
        const HostsFile inlined =
            parse("host.\"h\" = { skip_verify = true, header = { x = [\"1\"] }, client = [[\"/a\", \"/b\"]] }\n");
        REQUIRE(inlined.mirrors.size() == 1);
        CHECK(inlined.mirrors[0].skip_verify == true);
        CHECK(inlined.mirrors[0].headers == std::vector<std::string>{"x: 1"});
        CHECK(inlined.mirrors[0].client == std::vector<ClientPair>{{.certificate = "/a", .key = "/b"}});
        const HostsFile dotted = parse("host.\"h\".skip_verify = true\nhost.\"h\".header.x = \"1\"\n");
        REQUIRE(dotted.mirrors.size() == 1);
        CHECK(dotted.mirrors[0].skip_verify == true);
        CHECK(dotted.mirrors[0].headers == std::vector<std::string>{"x: 1"});
    }

    TEST_CASE("hosts.toml: the forms of client") {
        const auto client = [](const std::string& value) { return parse("client = " + value).server.client; };
        CHECK(client("\"/c.pem\"") == std::vector<ClientPair>{{.certificate = "/c.pem", .key = "/c.pem"}});
        CHECK(client("[\"/c.pem\", \"d.pem\"]") ==
              std::vector<ClientPair>{{.certificate = "/c.pem", .key = "/c.pem"},
                                      {.certificate = "/d/d.pem", .key = "/d/d.pem"}});
        CHECK(client("[[\"/a.cert\", \"/a.key\"], [\"/b.pem\", \"\"]]") ==
              std::vector<ClientPair>{{.certificate = "/a.cert", .key = "/a.key"},
                                      {.certificate = "/b.pem", .key = "/b.pem"}});
    }

    TEST_CASE("hosts.toml: several client certificates are all kept") {
        const HostsFile file = parse("\nclient = [\"/a\", \"/b\"]\n");
        CHECK(file.warnings.empty());
        CHECK(file.server.client ==
              std::vector<ClientPair>{{.certificate = "/a", .key = "/a"}, {.certificate = "/b", .key = "/b"}});
    }

    TEST_CASE("hosts.toml: what is wrong is told with file and line") {
        CHECK(refused("server = \"x\"\nserver =\n", "/d/hosts.toml:2: "));
        CHECK(refused("[host.\"a\"\n", "/d/hosts.toml:1: "));
        CHECK(refused("[host.\"a\"]\n[host.\"a\"]\n", "/d/hosts.toml:2: "));
        CHECK(refused("\nserver = 1\n", "/d/hosts.toml:2: server must be a string, not a number"));
        CHECK(refused("host = 1\n", "/d/hosts.toml:1: host must be a table, not a number"));
        CHECK(refused("[[host]]\n", "/d/hosts.toml:1: host must be a table, not a list"));
        CHECK(refused("[host]\na = 1\n", "/d/hosts.toml:2: host \"a\" must be a table"));
        CHECK(refused("[host.\"\"]\n", "/d/hosts.toml:1: a host needs a URL"));
        CHECK(refused("[host.\"a\"]\n\nskip_verify = \"yes\"\n",
                      "/d/hosts.toml:3: skip_verify must be true or false, not a string"));
        CHECK(refused("override_path = 1\n", "/d/hosts.toml:1: override_path must be true or false"));
        CHECK(refused("capabilities = \"pull\"\n", "/d/hosts.toml:1: capabilities must be a list"));
        CHECK(refused("capabilities = [\"pull\",\n\"pulll\"]\n", "/d/hosts.toml:2: unknown capability \"pulll\""));
        CHECK(refused("capabilities = [1]\n", "/d/hosts.toml:1: every capability must be a string"));
        CHECK(refused("ca = true\n", "/d/hosts.toml:1: ca must be a string or a list of strings"));
        CHECK(refused("ca = [\"a\", 1979-05-27]\n", "/d/hosts.toml:1: every part of ca must be a string, not a date"));
        CHECK(refused("ca = \"\"\n", "/d/hosts.toml:1: ca must name a file"));
        CHECK(refused("client = 1\n", "/d/hosts.toml:1: client must be"));
        CHECK(refused("client = [[\"a\"]]\n", "/d/hosts.toml:1: a pair of client has"));
        CHECK(refused("client = [[\"\", \"k\"]]\n", "/d/hosts.toml:1: client must name a file"));
        CHECK(refused("header = \"x\"\n", "/d/hosts.toml:1: header must be a table"));
        CHECK(refused("[header]\nx = 1\n", "/d/hosts.toml:2: header x must be a string or a list"));
        CHECK(refused("[header]\n\"x y\" = \"1\"\n", "/d/hosts.toml:2: \"x y\" is no name of a header"));
        CHECK(refused("dial_timeout = 3\n", "/d/hosts.toml:1: dial_timeout must be a string"));
        CHECK(refused("dial_timeout = \"soon\"\n", "/d/hosts.toml:1: dial_timeout: \"soon\" is no duration"));
        CHECK(refused("dial_timeout = \"0s\"\n", "/d/hosts.toml:1: dial_timeout: \"0s\" is no duration"));
        CHECK(refused("a = \"\xff\"\n", "/d/hosts.toml:1: "));
    }

    TEST_CASE("hosts.toml: a header that would become two is refused without being shown") {
        const std::string said = complaint("[header]\nx = \"secret\\r\\ny: 1\"\n");
        CHECK(said.starts_with("/d/hosts.toml:2: header x "));
        CHECK(said.find("secret") == std::string::npos);
    }

    TEST_CASE("hosts.toml: keys that nobody knows are told of, and nothing else") {
        const HostsFile file = parse("sever = \"x\"\n[host.\"a\"]\nserver = \"y\"\nskip-verify = true\n");
        REQUIRE(file.warnings.size() == 3);
        CHECK(file.mirrors.size() == 1);
        CHECK_FALSE(file.mirrors[0].skip_verify.has_value());
        for (const char* part : {"/d/hosts.toml:1: \"sever\"", "/d/hosts.toml:3: \"server\"", ":4: \"skip-verify\""})
            CHECK(std::any_of(file.warnings.begin(), file.warnings.end(),
                              [&](const std::string& one) { return one.find(part) != std::string::npos; }));
    }
}
