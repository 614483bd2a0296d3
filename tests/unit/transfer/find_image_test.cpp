// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.hpp"
#include "store/images.hpp"
#include "transfer/find_image.hpp"
#include "transfer/image_layers.hpp"
#include "transfer/image_summary.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::transfer;

namespace {

struct Place {
    test::TemporaryDirectory dir;
    store::Store store{dir.path("store"), store::Sync::none};
    store::LeaseHold lease{store, "default"};
    store::Blobs blobs{store, "default"};
    store::Images images{store, "default"};

    oci::Descriptor add(std::string_view type, const std::string& text) {
        const oci::Descriptor descriptor{
            .media_type = std::string(type), .digest = oci::Digest::of(text), .size = text.size()};
        if (blobs.find(descriptor.digest))
            return descriptor;
        store::BlobWriter writer = blobs.ingest(descriptor.digest.string(), descriptor, lease, {});
        writer.write(as_bytes(text));
        writer.commit({.size = descriptor.size, .digest = descriptor.digest, .labels = {}});
        return descriptor;
    }
    static std::string json(const oci::Descriptor& descriptor) {
        return cat(R"({"mediaType":")", descriptor.media_type, R"(","digest":")", descriptor.digest, R"(","size":)",
                   descriptor.size, "}");
    }
    // An image whose layers are never looked at; its config is different for each `mark`.
    oci::Descriptor manifest(const std::vector<std::string>& layers, const std::string& mark = "") {
        std::string ids;
        std::string descriptors;
        for (const std::string& layer : layers) {
            const oci::Digest digest = oci::Digest::of(layer);
            ids += cat(ids.empty() ? "" : ",", '"', digest, '"');
            descriptors +=
                cat(descriptors.empty() ? "" : ",",
                    json({.media_type = "application/vnd.oci.image.layer.v1.tar", .digest = digest, .size = 1}));
        }
        const oci::Platform host = oci::host_platform();
        const oci::Descriptor config =
            add(oci::media_type::oci_config,
                cat(R"({"os":")", host.os, R"(","architecture":")", host.architecture, R"(","author":")", mark,
                    R"(","rootfs":{"type":"layers","diff_ids":[)", ids, "]}}"));
        return add(oci::media_type::oci_manifest,
                   cat(R"({"schemaVersion":2,"config":)", json(config), R"(,"layers":[)", descriptors, "]}"));
    }
    void name(const std::string& name, const oci::Descriptor& target) {
        images.put({.name = name, .target = target, .labels = {}});
    }
};

} // namespace

TEST_SUITE("transfer") {
    TEST_CASE("an image by the record's name, in short, by ID and by target") {
        Place place;
        const oci::Descriptor one = place.manifest({"a"}, "one");
        place.name("docker.io/library/one:latest", one);
        place.name("not a reference", place.manifest({"a"}, "two"));
        const auto name_of = [&](const std::string& text) {
            const auto image = find_image(place.store, "default", text);
            return image ? image->name : "";
        };
        CHECK(name_of("one") == "docker.io/library/one:latest");
        CHECK(name_of("not a reference") == "not a reference");
        CHECK(name_of(one.digest.string()) == "docker.io/library/one:latest");
        CHECK(name_of(one.digest.short_hex()) == "docker.io/library/one:latest");
        CHECK(name_of("sha256:" + one.digest.short_hex()) == "docker.io/library/one:latest");
        const oci::Digest id = children_of(place.blobs, one).front().digest;
        CHECK(name_of(id.short_hex()) == "docker.io/library/one:latest");
        for (const std::string& none : {std::string(), one.digest.hex().substr(0, 2), "sha512:" + one.digest.hex(),
                                        one.digest.hex() + "0", std::string("md5:abcdef")})
            CHECK(name_of(none).empty());
        CHECK_THROWS_AS(get_image(place.store, "default", "none"), Error);
    }

    TEST_CASE("a target that is gone is found by its digest all the same") {
        Place place;
        const oci::Descriptor one = place.manifest({"a"});
        place.name("one:1", one);
        place.blobs.remove(one.digest);
        CHECK(find_image(place.store, "default", one.digest.hex()));
    }

    TEST_CASE("a summary of an index is complete only with the platform's manifest") {
        Place place;
        const oci::Descriptor manifest = place.manifest({"a", "b"});
        std::string platform = cat(R"(,"platform":{"os":")", oci::host_platform().os, R"(","architecture":")",
                                   oci::host_platform().architecture, "\"}}");
        const std::string child = Place::json(manifest);
        const oci::Descriptor index =
            place.add(oci::media_type::oci_index,
                      cat(R"({"schemaVersion":2,"manifests":[)", child.substr(0, child.size() - 1), platform, "]}"));
        const oci::Descriptor outer =
            place.add(oci::media_type::oci_index, cat(R"({"schemaVersion":2,"manifests":[)", Place::json(index), "]}"));
        const auto config = children_of(place.blobs, manifest).front();
        for (const oci::Descriptor& target : {index, outer}) {
            const ReadSummary whole = summarize(place.blobs, target, oci::host_platform());
            CHECK(whole.complete);
            CHECK(whole.summary.config == config.digest);
            CHECK(whole.summary.size == target.size + manifest.size + config.size + 2);
            CHECK(whole.summary.platforms == std::vector{oci::to_string(oci::host_platform())});
            CHECK_FALSE(summarize(place.blobs, target, {.os = "plan9", .architecture = "vax"}).complete);
        }
        place.blobs.remove(manifest.digest);
        const ReadSummary part = summarize(place.blobs, index, oci::host_platform());
        CHECK_FALSE(part.complete);
        CHECK_FALSE(part.summary.config);
        place.blobs.remove(index.digest);
        CHECK_FALSE(summarize(place.blobs, outer, oci::host_platform()).complete);
        CHECK_THROWS_AS(summarize(place.blobs, index, oci::host_platform()), Error);
    }

    TEST_CASE("images with the same layers on different ones share none of them") {
        Place place;
        LayerTree tree;
        const auto add = [&](const std::string& name, const std::vector<std::string>& layers) {
            return tree.add(place.blobs, {.name = name, .target = place.manifest(layers), .labels = {}},
                            oci::host_platform());
        };
        CHECK(add("ab", {"a", "b"}));
        CHECK(add("b", {"b"}));
        CHECK(add("a", {"a"}));
        CHECK(add("a too", {"a"}));
        CHECK_FALSE(add("nothing", {}));
        CHECK(tree.roots().size() == 2);
        const auto relatives = tree.relatives();
        CHECK(relatives.at("ab").parents == std::vector<std::string>{"a", "a too"});
        CHECK(relatives.at("a").children == std::vector<std::string>{"ab"});
        CHECK(relatives.at("a").parents.empty());
        CHECK(relatives.at("b").children.empty());
        tree.keep({"b"});
        CHECK(tree.roots().size() == 1);
        CHECK(tree.relatives().size() == 1);
    }
}
