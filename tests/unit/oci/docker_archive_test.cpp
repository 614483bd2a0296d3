// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
#include "unit/kind_of.hpp"

using lade::cat;
using lade::ErrorKind;
using lade::test::kind_of;

TEST_SUITE("oci") {
    TEST_CASE("docker archive: manifest.json") {
        const auto images = lade::oci::parse_docker_manifest(
            R"([{"Config":"c.json","RepoTags":["a","host:5000/b:2"],"Layers":["1","2"],"Parent":""},
                {"Config":"d.json","RepoTags":null,"Layers":null}])");
        REQUIRE(images.size() == 2);
        CHECK(images[0].config == "c.json");
        CHECK(images[0].names == std::vector<std::string>{"docker.io/library/a:latest", "host:5000/b:2"});
        CHECK(images[0].layers == std::vector<std::string>{"1", "2"});
        CHECK(images[1].names.empty());
        CHECK(images[1].layers.empty());
        for (const char* bad : {"", "{}", "[1]", "[{}]", R"([{"Config":1}])", R"([{"Config":"c","Layers":[1]}])",
                                R"([{"Config":"c","RepoTags":["A B"]}])", R"([{"Config":"c","Layers":{}}])",
                                R"([{"Config":"a","Config":"b"}])"})
            CHECK(kind_of([&] { lade::oci::parse_docker_manifest(bad); }) == ErrorKind::invalid_argument);
        std::string many = "[";
        for (int i = 0; i < 1001; ++i)
            many += i == 0 ? R"({"Config":"c"})" : R"(,{"Config":"c"})";
        CHECK(kind_of([&] { lade::oci::parse_docker_manifest(many + "]"); }) == ErrorKind::resource_exhausted);
    }

    TEST_CASE("docker archive: an image under each of its names") {
        const lade::oci::Descriptor image{.media_type = "type", .digest = lade::oci::Digest::of("x"), .size = 1};
        const std::string tagged = "docker.io/library/a:1";
        const std::string pinned = cat("host:5000/b@", image.digest);
        const auto named = lade::oci::named_images(image, {tagged, pinned});
        REQUIRE(named.size() == 2);
        CHECK(named[0].digest == image.digest);
        CHECK(named[0].annotations ==
              std::map<std::string, std::string>{{std::string(lade::oci::annotation::image_name), tagged},
                                                 {std::string(lade::oci::annotation::reference_name), "1"}});
        CHECK(named[1].annotations ==
              std::map<std::string, std::string>{{std::string(lade::oci::annotation::image_name), pinned}});
        const auto nameless = lade::oci::named_images(image, {});
        REQUIRE(nameless.size() == 1);
        CHECK(nameless[0].annotations.empty());
    }

    TEST_CASE("docker archive: repositories") {
        const std::string id(64, 'a');
        const auto found =
            lade::oci::parse_repositories(cat(R"({"a":{"1":")", id, R"(","2":")", id, R"("},"b/c":{}})"));
        REQUIRE(found.size() == 2);
        CHECK(found[0].name == "docker.io/library/a:1");
        CHECK(found[1].name == "docker.io/library/a:2");
        CHECK(found[1].layer == id);
        for (const std::string& bad : {std::string("[]"), std::string(R"({"a":"x"})"), std::string(R"({"a":{"1":2}})"),
                                       std::string(R"({"a":{"1":"../x"}})"), cat(R"({"A":{"1":")", id, R"("}})")})
            CHECK(kind_of([&] { lade::oci::parse_repositories(bad); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("docker archive: what is told of a layer") {
        const std::string id(64, 'a');
        const std::string parent(64, 'b');
        const auto layer = lade::oci::parse_docker_layer(
            cat(R"({"id":")", id, R"(","parent":")", parent,
                R"(","created":"2016-01-02T03:04:05Z","throwaway":true,"container_config":{"Cmd":["a","b"]}})"),
            id);
        CHECK(layer.parent == parent);
        CHECK(layer.history.created_by == "a b");
        CHECK_FALSE(layer.history.empty_layer);
        CHECK(lade::oci::parse_docker_layer("{}", id).parent.empty());
        for (const std::string& bad :
             {std::string("[]"), cat(R"({"id":")", parent, "\"}"), std::string(R"({"parent":"x"})")})
            CHECK(kind_of([&] { lade::oci::parse_docker_layer(bad, id); }) == ErrorKind::invalid_argument);
    }
}
