// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/runtime_spec.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::oci;
using lade::test::kind_of;

namespace {

constexpr const char* passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nbob:x:1000:1001::/:/bin/sh\n";
constexpr const char* group = "root:x:0:\nbob:x:1001:\nwheel:x:10:alice,bob\nadm:x:4:root\n";

Json make(const SpecOptions& options, const Execution& image = {.command = {"sh"}}) {
    return parse_json(make_runtime_spec(image, options), "spec");
}

using Texts = std::vector<std::string>;

} // namespace

TEST_SUITE("runtime spec") {
    TEST_CASE("users") {
        const auto check = [](const char* text, std::uint32_t id, std::uint32_t own,
                              std::vector<std::uint32_t> groups) {
            CAPTURE(text);
            const User user = resolve_user(text, passwd, group);
            CHECK(user.id == id);
            CHECK(user.group == own);
            CHECK(user.groups == groups);
        };
        check("", 0, 0, {0, 4});
        check("root", 0, 0, {0, 4});
        check("bob", 1000, 1001, {1001, 10});
        check("1000", 1000, 1001, {1001, 10});
        check("bob:wheel", 1000, 10, {10});
        check("bob:7", 1000, 7, {7, 10});
        check("4711", 4711, 0, {0});
        check("4711:12", 4711, 12, {12});
        for (const char* text : {"eve", "bob:eve", "99999999999", "-1"})
            CHECK(kind_of([&] { resolve_user(text, passwd, group); }) == ErrorKind::not_found);
        CHECK(resolve_user("", "", "").id == 0);
    }

    TEST_CASE("what runs") {
        SpecOptions options;
        const Execution image{
            .environment = {"A=1", "PATH=/x"}, .entrypoint = {"/entry"}, .command = {"default"}, .directory = "/work"};
        Json process = make(options, image)["process"];
        CHECK(process["args"] == Texts{"/entry", "default"});
        CHECK(process["env"] == Texts{"PATH=/x", "A=1"});
        CHECK(process["cwd"] == "/work");
        CHECK(process["noNewPrivileges"] == true);
        CHECK_FALSE(process.contains("terminal"));
        options.arguments = {"given", "-x"};
        options.environment = {"A=2", "B=3", "PATH"};
        options.directory = "/else";
        options.terminal = true;
        options.new_privileges = true;
        process = make(options, image)["process"];
        CHECK(process["args"] == Texts{"/entry", "given", "-x"});
        CHECK(process["env"] == Texts{"TERM=xterm", "A=2", "B=3"});
        CHECK(process["cwd"] == "/else");
        CHECK(process["terminal"] == true);
        CHECK(process["noNewPrivileges"] == false);
        CHECK(make({})["process"]["cwd"] == "/");
        CHECK(kind_of([] { make_runtime_spec({}, {}); }) == ErrorKind::invalid_argument);
        options.directory = "relative";
        CHECK(kind_of([&] { make(options); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("capabilities") {
        SpecOptions options{.added_capabilities = {"CAP_SYS_ADMIN", "net_admin", "CAP_KILL"},
                            .dropped_capabilities = {"CAP_CHOWN"}};
        const Json sets = make(options)["process"]["capabilities"];
        const auto bounding = sets["bounding"].get<Texts>();
        CHECK(bounding.size() == 15);
        CHECK(std::ranges::count(bounding, "CAP_NET_ADMIN") == 1);
        CHECK(std::ranges::count(bounding, "CAP_KILL") == 1);
        CHECK(std::ranges::count(bounding, "CAP_CHOWN") == 0);
        CHECK(sets["effective"] == sets["bounding"]);
        CHECK_FALSE(sets.contains("ambient"));
        options.added_capabilities = {"CAP_NONE"};
        CHECK(kind_of([&] { make(options); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("privileged takes every fence away") {
        const Json fenced = make({});
        CHECK(fenced["linux"].contains("maskedPaths"));
        CHECK(fenced["linux"]["resources"]["devices"][0]["allow"] == false);
        const Json open = make({.privileged = true});
        CHECK_FALSE(open["linux"].contains("maskedPaths"));
        CHECK_FALSE(open["linux"].contains("readonlyPaths"));
        CHECK(open["linux"]["resources"]["devices"] == Json::parse(R"([{"allow": true, "access": "rwm"}])"));
        CHECK(open["process"]["capabilities"]["bounding"].size() == 41);
    }

    TEST_CASE("namespaces, mounts, limits") {
        const Json spec = make({.id = "c",
                                .name_space = "n",
                                .read_only = true,
                                .hostname = "h",
                                .annotations = {{"k", "v"}},
                                .mounts = {parse_mount("type=bind,src=/a,dst=/b,options=rbind:ro")},
                                .namespaces = {"pid:/proc/1/ns/pid"},
                                .host_network = true,
                                .propagation = "rslave",
                                .memory_limit = 1000,
                                .cpu_quota = -1,
                                .cpu_period = 7});
        CHECK(spec["root"] == Json::parse(R"({"path": "rootfs", "readonly": true})"));
        CHECK(spec["hostname"] == "h");
        CHECK(spec["annotations"]["k"] == "v");
        CHECK(spec["mounts"].back() ==
              Json::parse(R"({"type":"bind","source":"/a","destination":"/b","options":["rbind","ro"]})"));
        CHECK(spec["linux"]["cgroupsPath"] == "/n/c");
        CHECK(spec["linux"]["rootfsPropagation"] == "rslave");
        CHECK(
            spec["linux"]["namespaces"] ==
            Json::parse(R"([{"type":"ipc"},{"type":"mount"},{"type":"pid","path":"/proc/1/ns/pid"},{"type":"uts"}])"));
        CHECK(spec["linux"]["resources"]["memory"]["limit"] == 1000);
        CHECK(spec["linux"]["resources"]["cpu"] == Json::parse(R"({"quota": -1, "period": 7})"));
        for (const char* text : {"pid", "pid:", "planet:/x"})
            CHECK(kind_of([&] { make({.namespaces = {text}}); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([] { make({.propagation = "upwards"}); }) == ErrorKind::invalid_argument);
        for (const char* text : {"", "type=bind", "dst=relative", "dst=/x,colour=red"})
            CHECK(kind_of([&] { parse_mount(text); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("the config of an image") {
        const Execution image = parse_execution(
            R"({"config":{"Env":["A=1"],"Entrypoint":["e"],"Cmd":["c"],"WorkingDir":"/w","User":"u","StopSignal":"INT",)"
            R"("Labels":{"k":"v"}}})",
            "config");
        CHECK(image.environment == Texts{"A=1"});
        CHECK(image.entrypoint == Texts{"e"});
        CHECK(image.command == Texts{"c"});
        CHECK(image.directory == "/w");
        CHECK(image.user == "u");
        CHECK(image.stop_signal == "INT");
        CHECK(image.labels == Labels{{"k", "v"}});
        CHECK(parse_execution("{}", "config").command.empty());
        CHECK(kind_of([] { parse_execution(R"({"config":{"Cmd":[1]}})", "config"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([] { parse_execution("x", "config"); }) == ErrorKind::invalid_argument);
    }
}
