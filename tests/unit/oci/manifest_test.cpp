// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "oci/manifest.hpp"
#include "unit/kind_of.hpp"

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
        using namespace lade::oci::media_type;
        struct Row {
            const char* name;
            std::string_view type; // that it is referred to by
            std::string members;
            bool good = false;
        };
        const std::string manifest = cat(R"("config":)", config, R"(,"layers":[)", layer, "]");
        const std::string index = cat(R"("manifests":[)", child, "]");
        const auto typed = [](std::string_view type, const std::string& rest) {
            return cat(R"("schemaVersion":2,"mediaType":")", type, "\",", rest);
        };
        for (const Row& row : std::initializer_list<Row>{
                 {"a manifest", oci_manifest, typed(oci_manifest, manifest), true},
                 {"a manifest that does not say its type", oci_manifest, manifest, true},
                 {"a manifest with no manifests", oci_manifest, cat(manifest, R"(,"manifests":[])"), true},
                 {"an index", oci_index, typed(oci_index, index), true},
                 {"an index without a config", oci_index, cat(index, R"(,"config":null,"layers":null)"), true},
                 {"a manifest that is an index", oci_manifest, cat(manifest, ',', index)},
                 {"an index that is a manifest", oci_index, cat(index, ',', manifest)},
                 {"an index with a config", oci_index, cat(index, R"(,"config":)", config)},
                 {"an index with layers", oci_index, cat(index, R"(,"layers":[])")},
                 {"a manifest that is schema 1", oci_manifest, cat(manifest, R"(,"fsLayers":[])")},
                 {"an index that is schema 1", oci_index, cat(index, R"(,"fsLayers":[])")},
                 {"a manifest that says index", oci_manifest, typed(oci_index, manifest)},
                 {"a manifest that says docker's", oci_manifest, typed(docker_manifest, manifest)},
                 {"a docker manifest that says OCI's", docker_manifest, typed(oci_manifest, manifest)},
                 {"a manifest that says schema 1", oci_manifest, typed(docker_schema1, manifest)},
                 {"a manifest that says something else", oci_manifest, typed("application/vnd.foo", manifest)},
                 {"an index that says manifest", oci_index, typed(docker_manifest, index)},
                 {"an index that says docker's", oci_index, typed(docker_index, index)},
                 {"a manifest of version 1", oci_manifest, cat(R"("schemaVersion":1,)", manifest)},
                 {"an index of version 1", oci_index, cat(R"("schemaVersion":1,)", index)},
                 {"two configs", oci_manifest, cat(manifest, R"(,"config":)", config)},
                 {"two lists of manifests", oci_index, cat(index, ',', index)},
             }) {
            INFO(row.name);
            const std::string text = cat('{', row.members, '}');
            const auto kind = lade::test::kind_of([&] {
                if (is_index(row.type))
                    lade::oci::parse_index(text, row.type, "document");
                else
                    lade::oci::parse_manifest(text, row.type, "document");
            });
            CHECK(kind == (row.good ? std::nullopt : std::optional(ErrorKind::invalid_argument)));
        }
    }

    TEST_CASE("what is an attestation") {
        struct Row {
            const char* name;
            std::string more; // of its descriptor
            bool attestation;
        };
        const std::string says_so = R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest"})";
        const std::string says_else = R"(,"annotations":{"vnd.docker.reference.type":"something"})";
        const std::string real = R"(,"platform":{"os":"linux","architecture":"amd64"})";
        const std::string unknown = R"(,"platform":{"os":"unknown","architecture":"unknown"})";
        for (const Row& row : std::initializer_list<Row>{{"nothing said", "", false},
                                                         {"a real platform", real, false},
                                                         {"annotated", says_so, true},
                                                         {"annotated, with a real platform", says_so + real, true},
                                                         {"annotated, for nothing known", says_so + unknown, true},
                                                         {"for nothing known", unknown, true},
                                                         {"another annotation", says_else + real, false}}) {
            INFO(row.name);
            const auto index = lade::oci::parse_index(
                cat(R"({"manifests":[)", descriptor("application/vnd.oci.image.manifest.v1+json", 'a', row.more), "]}"),
                lade::oci::media_type::oci_index, "i");
            CHECK(is_attestation(index.manifests.at(0)) == row.attestation);
        }
    }

    TEST_CASE("sizes are whole numbers that can be counted with") {
        for (const char* size :
             {"-1", "1.5", "1e3", "\"5\"", "null", "9223372036854775808", "1e400", "10000000000000000000000"}) {
            INFO(size);
            CHECK(manifest_refusal(cat(R"({"config":{"mediaType":"x","digest":")", digest('a'), R"(","size":)", size,
                                       "}}")) == ErrorKind::invalid_argument);
        }
        const auto manifest = lade::oci::parse_manifest(
            cat(R"({"config":{"mediaType":"x","digest":")", digest('a'), R"(","size":9223372036854775807}})"),
            lade::oci::media_type::oci_manifest, "m");
        CHECK(manifest.config.size == 9223372036854775807U);
    }

    TEST_CASE("an artifact says what it is") {
        const auto manifest = lade::oci::parse_manifest(
            cat(R"({"artifactType":"application/x","config":)", config, "}"), lade::oci::media_type::oci_manifest, "m");
        CHECK(manifest.artifact_type == "application/x");
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
