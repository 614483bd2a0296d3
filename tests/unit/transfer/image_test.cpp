// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>

#include "base/error.hpp"
#include "transfer/image.hpp"

using namespace lade;
using namespace lade::transfer;

namespace {

// Documents by digest, and how often each was read.
struct Documents {
    std::map<oci::Digest, std::string> texts;
    std::map<oci::Digest, int> reads;

    oci::Descriptor add(std::string_view type, const std::string& text) {
        const oci::Digest digest = oci::Digest::of(text);
        texts.emplace(digest, text);
        return {.media_type = std::string(type), .digest = digest, .size = text.size()};
    }
    oci::Descriptor index(const std::vector<oci::Descriptor>& children) {
        std::string text = R"({"schemaVersion":2,"manifests":[)";
        for (const oci::Descriptor& child : children)
            text += cat(&child == children.data() ? "" : ",", R"({"mediaType":")", child.media_type, R"(","digest":")",
                        child.digest, R"(","size":)", child.size, "}");
        return add(oci::media_type::oci_index, text + "]}");
    }
    ReadDocument reader() {
        return [this](const oci::Descriptor& descriptor) {
            ++reads[descriptor.digest];
            return texts.at(descriptor.digest);
        };
    }
};

} // namespace

TEST_SUITE("transfer") {
    TEST_CASE("a diamond of indexes is read once per index, not once per path") {
        Documents documents;
        oci::Descriptor level = documents.index({});
        for (int i = 0; i < 7; ++i)
            level = documents.index({level, level});
        CHECK_THROWS_AS(choose_images(level, {.platforms = {oci::host_platform()}}, documents.reader()), Error);
        for (const auto& [digest, count] : documents.reads)
            CHECK(count == 1);
    }

    TEST_CASE("indexes nested too deep are refused") {
        Documents documents;
        oci::Descriptor level = documents.index({});
        for (int i = 0; i < 30; ++i)
            level = documents.index({level});
        try {
            choose_images(level, {.platforms = {oci::host_platform()}}, documents.reader());
            FAIL("was accepted");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::resource_exhausted);
        }
    }

    TEST_CASE("the documents of other platforms are read when they are asked for, each once") {
        Documents documents;
        const auto manifest = [&](const std::string& architecture) {
            const oci::Descriptor config =
                documents.add(oci::media_type::oci_config, cat(R"({"os":"linux","architecture":")", architecture,
                                                               R"(","rootfs":{"type":"layers","diff_ids":[]}})"));
            return documents.add(oci::media_type::oci_manifest,
                                 cat(R"({"schemaVersion":2,"layers":[],"config":{"mediaType":")", config.media_type,
                                     R"(","digest":")", config.digest, R"(","size":)", config.size, "}}"));
        };
        const oci::Descriptor other = manifest("s390x");
        const oci::Descriptor nested = documents.index({other, manifest("riscv64")});
        oci::Descriptor host = manifest(oci::host_platform().architecture);
        for (const bool all : {false, true}) {
            documents.reads.clear();
            const auto chosen = choose_images(documents.index({host, nested}),
                                              {.platforms = {oci::host_platform()}, .all = false, .all_documents = all},
                                              documents.reader());
            REQUIRE(chosen.size() == 1);
            CHECK(chosen[0].manifest_descriptor.digest == host.digest);
        }
        CHECK(documents.reads.size() == documents.texts.size());
    }

    TEST_CASE("something that is neither manifest nor index is named") {
        Documents documents;
        const oci::Descriptor root = documents.add("text/plain", "x");
        CHECK_THROWS_AS(choose_images(root, {.platforms = {oci::host_platform()}}, documents.reader()), Error);
    }

    TEST_CASE("layers and diff IDs must pair up, and be layers") {
        const oci::Descriptor config{
            .media_type = std::string(oci::media_type::oci_config), .digest = oci::Digest::of("c"), .size = 1};
        const oci::Descriptor layer{
            .media_type = "application/vnd.oci.image.layer.v1.tar", .digest = oci::Digest::of("l"), .size = 1};
        PlatformImage image{
            .manifest_descriptor = config, .manifest = {.config = config, .layers = {layer}}, .config = {}};
        CHECK_THROWS_AS(layers_of(image), Error);
        image.config.diff_ids.push_back({oci::Digest::of("d")});
        CHECK(layers_of(image).size() == 1);
        image.manifest.layers[0].media_type = "text/plain";
        CHECK_THROWS_AS(layers_of(image), Error);
        image.manifest.config.media_type = "application/vnd.oci.empty.v1+json";
        CHECK_THROWS_AS(layers_of(image), Error);
    }
}
