// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "../kind_of.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/conversion.hpp"

using namespace lade;
using namespace lade::oci;

namespace {

const Digest one = Digest::of("one");
const Digest two = Digest::of("two");

Json descriptor(const Digest& digest, const char* type) {
    return {{"mediaType", type}, {"digest", digest.string()}, {"size", 1}};
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("docker's types have names in OCI") {
        CHECK(oci_type(media_type::docker_manifest) == media_type::oci_manifest);
        CHECK(oci_type(media_type::docker_index) == media_type::oci_index);
        CHECK(oci_type(media_type::docker_config) == media_type::oci_config);
        CHECK(oci_type(media_type::docker_layer) == "application/vnd.oci.image.layer.v1.tar+gzip");
        CHECK(oci_type("application/vnd.docker.image.rootfs.diff.tar") == "application/vnd.oci.image.layer.v1.tar");
        CHECK(oci_type("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") ==
              "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
        CHECK(oci_type("some/type") == "some/type");
    }

    TEST_CASE("a layer's type stays in its family") {
        CHECK(layer_type(media_type::docker_layer, "") == "application/vnd.docker.image.rootfs.diff.tar");
        CHECK(layer_type("application/vnd.oci.image.layer.nondistributable.v1.tar", "zstd") ==
              "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd");
        CHECK(test::kind_of([] { layer_type("some/type", "gzip"); }) == ErrorKind::unimplemented);
        CHECK(test::kind_of([] { layer_type("application/vnd.oci.image.layer.v1.tar.gzip", ""); }) ==
              ErrorKind::unimplemented);
    }

    TEST_CASE("a config that says the same keeps its bytes") {
        const std::string text =
            cat(R"({ "rootfs":{"type":"layers","diff_ids":[")", one, R"("]}, "x":1, "config":{"Image":"i"}})");
        CHECK(convert_config(text, {{one}}) == text);
        const Json changed = parse_json(convert_config(text, {{two}}), "config");
        CHECK(changed["rootfs"]["diff_ids"][0] == two.string());
        CHECK(changed["x"] == 1);
        CHECK(changed["config"]["Image"] == "");
    }

    TEST_CASE("what is about a layer's bytes goes with them") {
        Json layer = descriptor(one, "application/vnd.oci.image.layer.v1.tar+gzip");
        layer["annotations"] = {{"containerd.io/snapshot/stargz/toc.digest", "x"}, {"mine", "y"}};
        layer["urls"] = {"http://x"};
        layer["data"] = "AA==";
        layer["other"] = 1;
        const std::string text = dump_json(Json{{"schemaVersion", 2},
                                                {"config", descriptor(one, "application/vnd.oci.image.config.v1+json")},
                                                {"layers", {layer}},
                                                {"unknown", true}},
                                           1);
        const Child config{.media_type = std::string(media_type::oci_config), .digest = one, .size = 1};
        Child child{.media_type = "application/vnd.oci.image.layer.v1.tar+gzip", .digest = one, .size = 1};
        CHECK(convert_manifest(text, media_type::oci_manifest, config, {child}) == text);
        child.digest = two;
        child.size = 5;
        child.annotations = {{"new", "z"}};
        const Json made = parse_json(convert_manifest(text, media_type::oci_manifest, config, {child}), "manifest");
        CHECK(made["unknown"] == true);
        CHECK(!made.contains("mediaType"));
        CHECK(made["layers"][0] == Json{{"mediaType", child.media_type},
                                        {"digest", two.string()},
                                        {"size", 5},
                                        {"other", 1},
                                        {"annotations", {{"mine", "y"}, {"new", "z"}}}});
    }

    TEST_CASE("an index goes without what is left out") {
        const std::string text = dump_json(Json{{"mediaType", media_type::docker_index},
                                                {"manifests",
                                                 {descriptor(one, "application/vnd.oci.image.manifest.v1+json"),
                                                  descriptor(two, "application/vnd.oci.image.manifest.v1+json")}}});
        const Child kept{.media_type = std::string(media_type::oci_manifest), .digest = two, .size = 1};
        const Json made = parse_json(convert_index(text, media_type::oci_index, {std::nullopt, kept}), "index");
        CHECK(made["mediaType"] == media_type::oci_index);
        CHECK(made["manifests"].size() == 1);
        CHECK(made["manifests"][0]["digest"] == two.string());
    }
}
