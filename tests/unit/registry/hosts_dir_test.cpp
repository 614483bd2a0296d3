// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "registry/hosts_dir.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using lade::ErrorKind;
using lade::registry::Host;
using lade::registry::HostList;
using lade::test::kind_of;

namespace {

constexpr const char* pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

class Place {
public:
    std::string root(const std::string& name = "certs.d") const { return folder_.path(name); }
    std::string write(const std::string& path, const std::string& text) const {
        const std::filesystem::path file = folder_.path(path);
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
        return file.string();
    }
    HostList hosts(const std::string& domain, const lade::registry::HostRules& rules = {}) const {
        return lade::registry::hosts_for(domain, rules, {root(), root("docker")});
    }
    std::vector<std::string> urls(const std::string& domain) const {
        std::vector<std::string> all;
        for (const Host& host : hosts(domain).hosts)
            all.push_back(host.base.string());
        return all;
    }

private:
    lade::test::TemporaryDirectory folder_;
};

using Urls = std::vector<std::string>;

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("hosts: without a directory the registry itself is asked") {
        const Place place;
        CHECK(place.urls("docker.io") == Urls{"https://registry-1.docker.io/v2"});
        CHECK(place.hosts("reg.example").hosts[0].source.empty());
    }

    TEST_CASE("hosts: the first directory that exists is the only one") {
        const Place place;
        const auto mirror = [](const char* name) { return std::string("[host.\"https://") + name + "\"]\n"; };
        place.write("docker/reg.example:5000/hosts.toml", mirror("docker"));
        CHECK(place.urls("reg.example:5000").front() == "https://docker/v2");
        place.write("certs.d/_default/hosts.toml", mirror("default"));
        CHECK(place.urls("reg.example:5000").front() == "https://default/v2");
        CHECK(place.urls("other.example").front() == "https://default/v2");
        place.write("certs.d/reg.example:5000/hosts.toml", mirror("colon"));
        CHECK(place.urls("reg.example:5000").front() == "https://colon/v2");
        place.write("certs.d/reg.example_5000_/hosts.toml", mirror("underscore"));
        CHECK(place.urls("reg.example:5000").front() == "https://underscore/v2");
        CHECK(place.urls("reg.example").front() == "https://default/v2");
        place.write("certs.d/reg.example/hosts.toml", mirror("plain"));
        CHECK(place.urls("reg.example").front() == "https://plain/v2");
        CHECK(place.urls("reg.example:5000").back() == "https://reg.example:5000/v2");
    }

    TEST_CASE("hosts: URLs, paths and what else an entry says") {
        const Place place;
        const std::string path = place.write("certs.d/docker.io/hosts.toml", R"(
server = "https://docker.io"
[host."https://mirror.example"]
capabilities = ["pull"]
[host."https://bak.example/us/../eu//"]
[host."http://plain.example:5000"]
[host."bare.example/x"]
[host."https://nc.example/v2/prefix"]
override_path = true
[host."https://np.example"]
override_path = true
skip_verify = true
[host."https://v2.example/v2/"]
dial_timeout = "3s"
header.x = "y"
)");
        const HostList list = place.hosts("docker.io", {.skip_verify = true});
        Urls urls;
        for (const Host& host : list.hosts)
            urls.push_back(host.base.string());
        CHECK(urls == Urls{"https://mirror.example/v2", "https://bak.example/eu/v2", "http://plain.example:5000/v2",
                           "https://bare.example/x/v2", "https://nc.example/v2/prefix", "https://np.example/",
                           "https://v2.example/v2", "https://registry-1.docker.io/v2"});
        CHECK_FALSE(list.hosts[0].capabilities.resolve);
        CHECK(list.hosts[0].source == path + ":3");
        CHECK(list.hosts[0].name_space == "docker.io");
        CHECK_FALSE(list.hosts[0].is_registry);
        CHECK(list.hosts[0].verify);
        CHECK(list.hosts[2].base.authority() == "plain.example:5000");
        CHECK_FALSE(list.hosts[5].verify);
        CHECK(list.hosts[6].dial_timeout == std::chrono::milliseconds(3000));
        CHECK(list.hosts[6].headers == Urls{"x: y"});
        CHECK(list.hosts[7].is_registry);
        CHECK(list.hosts[7].name_space.empty());
        CHECK_FALSE(list.hosts[7].verify);
    }

    TEST_CASE("hosts: a server of another name gets no credentials and is told the domain") {
        const Place place;
        place.write("certs.d/_default/hosts.toml", "server = \"https://other.example\"\ncapabilities = [\"pull\"]\n");
        const HostList list = place.hosts("reg.example:5000");
        REQUIRE(list.hosts.size() == 1);
        CHECK_FALSE(list.hosts[0].is_registry);
        CHECK(list.hosts[0].name_space == "reg.example:5000");
        CHECK_FALSE(list.hosts[0].capabilities.resolve);
    }

    TEST_CASE("hosts: without a server the root is about the registry, but for its capabilities") {
        const Place place;
        place.write("certs.d/reg.example/hosts.toml",
                    "capabilities = [\"pull\"]\nskip_verify = true\nheader.x = \"y\"\n");
        const HostList list = place.hosts("reg.example");
        REQUIRE(list.hosts.size() == 1);
        CHECK(list.hosts[0].base.string() == "https://reg.example/v2");
        CHECK(list.hosts[0].capabilities.push);
        CHECK_FALSE(list.hosts[0].verify);
        CHECK(list.hosts[0].headers == Urls{"x: y"});
    }

    TEST_CASE("hosts: certificates alone are docker's way") {
        const Place place;
        const std::string ca = place.write("docker/localhost:5000/ca.crt", pem);
        const std::string cert = place.write("docker/localhost:5000/client.cert", pem);
        CHECK(kind_of([&] { place.hosts("localhost:5000"); }) == ErrorKind::invalid_argument);
        const std::string key = place.write("docker/localhost:5000/client.key", "a key");
        for (const bool empty : {false, true}) {
            if (empty)
                place.write("docker/localhost:5000/hosts.toml", "\n");
            const Host host = place.hosts("localhost:5000").hosts.at(0);
            CHECK(host.ca == Urls{ca});
            CHECK(host.client == std::vector<lade::registry::ClientPair>{{.certificate = cert, .key = key}});
            CHECK(host.verify);
            REQUIRE(host.tls);
            CHECK(host.tls->roots.find("MA==") != std::string::npos);
            CHECK(host.tls->client == host.client);
            REQUIRE(host.onward_tls);
            CHECK(host.onward_tls->client.empty());
            CHECK(host.onward_tls->roots == host.tls->roots);
        }
        CHECK_FALSE(place.hosts("localhost:5000", {.skip_verify = true}).hosts.at(0).verify);
    }

    TEST_CASE("hosts: flags say what TLS the registry itself is spoken to with") {
        const Place place;
        const std::string flag = place.write("flag.pem", pem);
        const std::string written = place.write("written.pem", pem);
        const lade::registry::ClientPair pair{.certificate = flag, .key = flag};
        const Host local = place.hosts("localhost:5000", {.ca = flag}).hosts.at(0);
        CHECK(local.base.string() == "https://localhost:5000/v2");
        CHECK_FALSE(local.try_https_too);
        CHECK(local.verify);
        CHECK(local.tls->only_roots);
        CHECK_FALSE(local.onward_tls->only_roots);
        CHECK_FALSE(place.hosts("localhost:5000", {.skip_verify = true, .ca = flag}).hosts.at(0).verify);
        place.write("certs.d/reg.example/hosts.toml", "skip_verify = true\nca = \"" + written +
                                                          "\"\n[host.\"https://mirror.example\"]\nca = \"" + written +
                                                          "\"\n");
        const HostList list = place.hosts("reg.example", {.ca = flag, .client = pair});
        CHECK(list.hosts.at(0).ca == Urls{written});
        CHECK(list.hosts.at(0).client.empty());
        CHECK_FALSE(list.hosts.at(0).tls->only_roots);
        CHECK(list.hosts.at(1).ca == Urls{flag});
        CHECK(list.hosts.at(1).tls->client == std::vector{pair});
        CHECK(list.hosts.at(1).verify);
        const Host shown = place.hosts("reg.example", {.client = pair}).hosts.at(1);
        CHECK(shown.ca == Urls{written});
        CHECK_FALSE(shown.tls->only_roots);
        CHECK_FALSE(shown.verify);
        CHECK(kind_of([&] { place.hosts("other.example", {.ca = "/none.pem"}); }) == ErrorKind::not_found);
    }

    TEST_CASE("hosts: a URL has no other scheme, and nobody's user") {
        const Place place;
        const auto message = [&](const std::string& url) -> std::string {
            place.write("certs.d/r.example/hosts.toml", "[host.\"" + url + "\"]\n");
            try {
                static_cast<void>(place.hosts("r.example"));
            } catch (const lade::Error& error) {
                return error.message();
            }
            return "";
        };
        for (const char* url : {"ftp://b", "file:///etc", "unix://b", "://b", "https://", "http://a b"})
            CHECK(message(url).find(std::string("\"") + url + "\" is no http or https URL") != std::string::npos);
        for (const char* url : {"https://me:x@b", "me:x@b:5000/p", "http://me@b?q", "https://x@y@b"}) {
            CHECK(message(url).find("the URL of b") != std::string::npos);
            CHECK(message(url).find("me") == std::string::npos);
        }
        for (const char* url : {"HTTP://b", "httpd.example", "b/a@c", "https://b/@x"})
            CHECK(message(url).empty());
    }

    TEST_CASE("hosts: files that are missing or are none are told with the line that names them") {
        const Place place;
        const auto message = [&](const std::string& text) -> std::string {
            place.write("certs.d/_default/hosts.toml", text);
            try {
                place.hosts("reg.example");
            } catch (const lade::Error& error) {
                return error.message();
            }
            return "";
        };
        CHECK(message("[host.\"https://m\"]\nca = \"none.pem\"\n").find("hosts.toml:2: ") != std::string::npos);
        CHECK(message("ca = \"none.pem\"\n").find("/none.pem: open: ") != std::string::npos);
        place.write("certs.d/_default/text.pem", "hello");
        CHECK(message("ca = \"text.pem\"\n").find("/text.pem: holds no certificate") != std::string::npos);
        CHECK(message("client = \"none.pem\"\n").find("/none.pem: open: ") != std::string::npos);
        CHECK(message("[host.\"https://a b\"]\n").find("hosts.toml:1: \"https://a b\" is no http") !=
              std::string::npos);
        CHECK(message("\nserver = \"httpx://a\"\n").find("hosts.toml:2: ") != std::string::npos);
    }

    TEST_CASE("hosts: a directory that cannot be looked at is no directory that is not there") {
        const Place place;
        CHECK(kind_of([&] {
                  lade::registry::hosts_for("reg.example", {}, {place.root() + std::string(5000, 'x')});
              }).has_value());
    }
}
