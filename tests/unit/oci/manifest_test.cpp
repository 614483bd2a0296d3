// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "oci/manifest.hpp"

using lade::cat;
using lade::Error;
using lade::ErrorKind;
using lade::oci::Labels;

namespace {

std::string digest(char c) {
    return "sha256:" + std::string(64, c);
}

std::string descriptor(const std::string& type, char c, const std::string& more = "") {
    return cat(R"({"mediaType":")", type, R"(","digest":")", digest(c), R"(","size":5)", more, '}');
}

const std::string config = descriptor("application/vnd.oci.image.config.v1+json", 'c');
const std::string layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", '1');
const std::string child = descriptor("application/vnd.oci.image.manifest.v1+json", 'd');

template <typename Work>
ErrorKind refusal(Work work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind();
    }
    FAIL("accepted");
    return ErrorKind::internal;
}

ErrorKind manifest_refusal(const std::string& text) {
    return refusal([&] { lade::oci::parse_manifest(text, lade::oci::media_type::oci_manifest, "m"); });
}

ErrorKind index_refusal(const std::string& text) {
    return refusal([&] { lade::oci::parse_index(text, lade::oci::media_type::oci_index, "i"); });
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("a manifest gives config and layers in order") {
        const auto manifest =
            lade::oci::parse_manifest(cat(R"({"schemaVersion":2,"config":)", config, R"(,"layers":[)", layer, ',',
                                          descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", '2',
                                                     R"(,"annotations":{"a":"b"},"urls":["https://x"])"),
                                          "]}"),
                                      lade::oci::media_type::oci_manifest, "m");
        CHECK(manifest.config.digest.string() == digest('c'));
        REQUIRE(manifest.layers.size() == 2);
        CHECK(manifest.layers[1].digest.string() == digest('2'));
        CHECK(manifest.layers[1].size == 5);
        CHECK(manifest.layers[1].annotations.at("a") == "b");
        CHECK(manifest.layers[1].urls.size() == 1);
        CHECK(kind_of(manifest.layers[1]) == "layer");
        CHECK(kind_of(manifest.config) == "config");
        CHECK(reference_labels(manifest) == Labels{{"containerd.io/gc.ref.content.config", digest('c')},
                                                   {"containerd.io/gc.ref.content.l.0", digest('1')},
                                                   {"containerd.io/gc.ref.content.l.1", digest('2')}});
    }

    TEST_CASE("an index gives its manifests with their platforms") {
        const auto index = lade::oci::parse_index(
            cat(R"({"manifests":[)",
                descriptor("application/vnd.oci.image.manifest.v1+json", 'a',
                           R"(,"platform":{"os":"linux","architecture":"arm","variant":"v7"})"),
                ',',
                descriptor("application/vnd.oci.image.manifest.v1+json", 'b',
                           R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest"})"),
                "]}"),
            lade::oci::media_type::oci_index, "i");
        REQUIRE(index.manifests.size() == 2);
        CHECK(index.manifests[0].platform->variant == "v7");
        CHECK_FALSE(index.manifests[1].platform);
        CHECK(is_attestation(index.manifests[1]));
        CHECK(kind_of(index.manifests[1]) == "attestation");
        CHECK(reference_labels(index) == Labels{{"containerd.io/gc.ref.content.m.0", digest('a')},
                                                {"containerd.io/gc.ref.content.m.1", digest('b')}});
    }

    TEST_CASE("ambiguous documents are refused") {
        CHECK(manifest_refusal(cat(R"({"config":)", config, R"(,"layers":[],"manifests":[)", child, "]}")) ==
              ErrorKind::invalid_argument);
        CHECK(manifest_refusal(cat(R"({"mediaType":"application/vnd.oci.image.index.v1+json","config":)", config,
                                   "}")) == ErrorKind::invalid_argument);
        CHECK(index_refusal(cat(R"({"manifests":[],"config":)", config, "}")) == ErrorKind::invalid_argument);
        CHECK(index_refusal(R"({"manifests":[],"layers":[]})") == ErrorKind::invalid_argument);
        CHECK(index_refusal(R"({"mediaType":"application/vnd.docker.distribution.manifest.v2+json","manifests":[]})") ==
              ErrorKind::invalid_argument);
        for (const char* member : {R"("schemaVersion":1)", R"("mediaType":"application/vnd.foo")",
                                   R"("mediaType":"application/vnd.docker.distribution.manifest.v2+json")"})
            CHECK(manifest_refusal(cat('{', member, R"(,"config":)", config, R"(,"layers":[]})")) ==
                  ErrorKind::invalid_argument);
        CHECK(manifest_refusal(R"({"fsLayers":[]})") == ErrorKind::unimplemented);
        CHECK(manifest_refusal(cat(R"({"config":)", config, R"(,"config":)", config, "}")) ==
              ErrorKind::invalid_argument);
    }

    TEST_CASE("malformed documents are refused") {
        for (const std::string& text :
             {std::string(), std::string("[]"), std::string("{}"), std::string("{\"config\":[]}"),
              std::string(R"({"config":{"mediaType":"x","digest":"sha256:zz","size":1}})"),
              cat(R"({"config":{"mediaType":"x","digest":")", digest('a'), R"(","size":-1}})"),
              cat(R"({"config":{"mediaType":"x","digest":")", digest('a'), R"(","size":1.5}})"),
              cat(R"({"config":)", config, R"(,"layers":{}})"), cat(R"({"config":)", config, R"(,"layers":[1]})"),
              std::string(100, '[')}) {
            INFO(text);
            CHECK(manifest_refusal(text) == ErrorKind::invalid_argument);
        }
    }

    TEST_CASE("the image configuration") {
        const auto image = lade::oci::parse_config(
            cat(R"({"os":"linux","architecture":"aarch64","rootfs":{"type":"layers","diff_ids":[")", digest('1'),
                R"("]}})"),
            "c");
        CHECK(to_string(image.platform) == "linux/arm64");
        REQUIRE(image.diff_ids.size() == 1);
        CHECK(image.diff_ids[0].string() == digest('1'));
        CHECK(lade::oci::parse_config("{}", "c").diff_ids.empty());
        CHECK(refusal([] { lade::oci::parse_config(R"({"rootfs":{"type":"base"}})", "c"); }) ==
              ErrorKind::invalid_argument);
        CHECK(refusal([] { lade::oci::parse_config(R"({"rootfs":{"diff_ids":["x"]}})", "c"); }) ==
              ErrorKind::invalid_argument);
    }

    TEST_CASE("classes of media types") {
        using namespace lade::oci::media_type;
        CHECK(is_layer("application/vnd.oci.image.layer.v1.tar+zstd"));
        CHECK(is_layer("application/vnd.oci.image.layer.nondistributable.v1.tar"));
        CHECK(is_layer("application/vnd.docker.image.rootfs.diff.tar.zstd"));
        CHECK(is_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
        CHECK_FALSE(is_layer("application/vnd.in-toto+json"));
        CHECK_FALSE(is_layer("application/vnd.oci.empty.v1+json"));
        CHECK(is_index("application/vnd.docker.distribution.manifest.list.v2+json"));
        CHECK(is_manifest("application/vnd.docker.distribution.manifest.v2+json"));
        CHECK(is_schema1("application/vnd.docker.distribution.manifest.v1+prettyjws"));
    }
}
