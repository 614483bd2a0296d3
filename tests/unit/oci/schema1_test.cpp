// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/schema1.hpp"
#include "unit/kind_of.hpp"

using lade::base64_encode;
using lade::cat;
using lade::ErrorKind;
using lade::Json;
using lade::oci::Digest;
using lade::oci::parse_schema1;
using lade::oci::schema1_payload;
using lade::test::kind_of;

namespace {

std::string digest(char c) {
    return cat("sha256:", std::string(64, c));
}

// Newest first, as the registry has them.
Json document(const std::vector<std::pair<char, Json>>& steps) {
    Json layers = Json::array();
    Json history = Json::array();
    for (const auto& [blob, v1] : steps) {
        layers.push_back({{"blobSum", digest(blob)}});
        history.push_back({{"v1Compatibility", v1.dump()}});
    }
    return {{"schemaVersion", 1}, {"name", "n"}, {"tag", "t"}, {"fsLayers", layers}, {"history", history}};
}

const Json base = {{"created", "2020-01-01T00:00:00Z"}, {"container_config", {{"Cmd", {"ADD", "file"}}}}};
const Json newest = {
    {"id", "x"},      {"parent", "y"},     {"architecture", "arm64"}, {"os", "linux"},
    {"author", "me"}, {"throwaway", true}, {"container", "c"},        {"config", {{"Cmd", {"/bin/sh"}}}}};

std::string url_text(const std::string& bytes) {
    std::string text = base64_encode(bytes);
    while (text.ends_with('='))
        text.pop_back();
    for (char& c : text)
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

std::string signature(std::size_t length, const std::string& tail) {
    const Json header = {{"formatLength", length}, {"formatTail", url_text(tail)}, {"time", "2020-01-01T00:00:00Z"}};
    return Json{{"signature", "s"}, {"protected", url_text(header.dump())}}.dump();
}

// `payload` as libtrust signs it: signatures go in before its last brace.
std::string with_signatures(const std::string& payload, const std::string& signatures) {
    return cat(payload.substr(0, payload.size() - 2), ",\n   \"signatures\": [", signatures, "]\n}");
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("the payload of a schema 1 manifest is what was signed") {
        const std::string payload = document({{'a', base}}).dump(3);
        const std::string one = signature(payload.size() - 2, "\n}");
        for (const std::string& text :
             {payload, with_signatures(payload, one), with_signatures(payload, cat(one, ',', one))})
            CHECK(schema1_payload(text, "m") == payload);
        CHECK(lade::oci::document_digest(lade::oci::media_type::docker_schema1, with_signatures(payload, one),
                                         lade::oci::Algorithm::sha256, "m") == Digest::of(payload));
        CHECK(lade::oci::document_digest(lade::oci::media_type::oci_manifest, with_signatures(payload, one),
                                         lade::oci::Algorithm::sha256,
                                         "m") == Digest::of(with_signatures(payload, one)));
    }

    TEST_CASE("signatures that do not say what was signed are refused") {
        const std::string payload = document({{'a', base}}).dump(3);
        const std::string good = signature(payload.size() - 2, "\n}");
        for (const std::string& signatures :
             {signature(payload.size() * 2 + 1000, "\n}"), cat(good, ',', signature(payload.size() - 3, "\n}")),
              cat(good, ',', signature(payload.size() - 2, "}")), std::string("{}"), std::string("1"),
              std::string(R"({"protected":"!"})"), cat(R"({"protected":")", url_text("[]"), "\"}"),
              cat(R"({"protected":")", url_text(R"({"formatLength":-1,"formatTail":""})"), "\"}"),
              cat(R"({"protected":")", url_text(R"({"formatLength":1,"formatTail":"+"})"), "\"}")}) {
            INFO(signatures);
            CHECK(kind_of([&] { schema1_payload(with_signatures(payload, signatures), "m"); }) ==
                  ErrorKind::invalid_argument);
        }
    }

    TEST_CASE("steps come oldest first, the config from the newest") {
        const auto image = parse_schema1(
            document({{'c', newest}, {'b', {{"Size", 0}}}, {'b', {{"throwaway", false}, {"Size", 0}}}, {'a', base}})
                .dump(),
            "m");
        REQUIRE(image.steps.size() == 4);
        CHECK(image.steps[0].blob.string() == digest('a'));
        CHECK(image.steps[0].history.created == "2020-01-01T00:00:00Z");
        CHECK(image.steps[0].history.created_by == "ADD file");
        CHECK_FALSE(image.steps[0].history.empty_layer);
        CHECK_FALSE(image.steps[1].history.empty_layer);
        CHECK(image.steps[2].history.empty_layer);
        CHECK(image.steps[3].history.empty_layer);
        CHECK(image.steps[3].blob.string() == digest('c'));

        const std::string text = schema1_config(image, {{Digest::parse(digest('1'))}, {Digest::parse(digest('2'))}});
        const auto config = lade::oci::parse_config(text, "config");
        CHECK(config.platform.architecture == "arm64");
        REQUIRE(config.diff_ids.size() == 2);
        CHECK(config.diff_ids[1].string() == digest('2'));
        const auto history = lade::oci::parse_history(text, "config");
        REQUIRE(history.size() == 4);
        CHECK(history[0].created_by == "ADD file");
        CHECK(history[3].author == "me");
        CHECK(history[3].empty_layer);
        const Json json = Json::parse(text);
        CHECK(json["config"] == newest["config"]);
        for (const char* member : {"id", "parent", "container", "throwaway"})
            CHECK_FALSE(json.contains(member));
    }

    TEST_CASE("an image that does not say its platform is for linux/amd64") {
        const auto image = parse_schema1(document({{'a', base}}).dump(), "m");
        const auto config = lade::oci::parse_config(schema1_config(image, {}), "config");
        CHECK(lade::oci::to_string(config.platform) == "linux/amd64");
    }

    TEST_CASE("schema 1 manifests that are refused") {
        const Json good = document({{'b', newest}, {'a', base}});
        const auto changed = [&](const Json& patch) {
            Json bad = good;
            bad.merge_patch(patch);
            return bad.dump();
        };
        REQUIRE_FALSE(kind_of([&] { parse_schema1(good.dump(), "m"); }));
        for (const std::string& text :
             {std::string("[]"), std::string("{}"), changed({{"schemaVersion", 2}}),
              changed({{"schemaVersion", nullptr}}), changed({{"fsLayers", nullptr}}), changed({{"history", nullptr}}),
              changed({{"fsLayers", Json::array()}}), changed({{"fsLayers", good["fsLayers"][0]}}),
              changed({{"fsLayers", {good["fsLayers"][0]}}}), changed({{"fsLayers", {1, 2}}}),
              changed({{"fsLayers", {{{"blobSum", "x"}}, good["fsLayers"][0]}}}),
              changed({{"history", {{{"v1Compatibility", "{"}}, good["history"][0]}}}),
              changed({{"history", {{{"v1Compatibility", "[]"}}, good["history"][0]}}}),
              changed({{"layers", Json::array()}}), changed({{"manifests", Json::array()}}),
              changed({{"config", Json::object()}}), changed({{"mediaType", lade::oci::media_type::oci_manifest}})}) {
            INFO(text);
            CHECK(kind_of([&] { parse_schema1(text, "m"); }) == ErrorKind::invalid_argument);
        }
        const std::vector<std::pair<char, Json>> many(1001, {'a', base});
        CHECK(kind_of([&] { parse_schema1(document(many).dump(), "m"); }) == ErrorKind::resource_exhausted);
    }
}
