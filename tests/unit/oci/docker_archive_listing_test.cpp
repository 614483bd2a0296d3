// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.hpp"
#include "oci/docker_archive.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::oci;

TEST_SUITE("oci") {
    TEST_CASE("names in short") {
        CHECK(docker_name("docker.io/library/a:1") == "a:1");
        CHECK(docker_name("docker.io/me/a:1") == "me/a:1");
        CHECK(docker_name("docker.io/library/a/b:1") == "library/a/b:1");
        CHECK(docker_name("ghcr.io/library/a:1") == "ghcr.io/library/a:1");
        CHECK(!docker_name(cat("docker.io/library/a:1@sha256:", std::string(64, '0'))));
        CHECK(!docker_name("no name"));
    }

    TEST_CASE("manifest.json") {
        CHECK(list_docker_images({{.config = "c", .names = {"a:1"}, .layers = {"l", "m"}}}) ==
              R"([{"Config":"c","Layers":["l","m"],"RepoTags":["a:1"]}])");
    }

    TEST_CASE("a tag moves, and an image is there once") {
        const std::string current =
            R"([{"Config":"c","Layers":["l"],"RepoTags":["a:1","a:2"]},{"Config":"d","RepoTags":["b:1"],"Layers":[]},)"
            R"({"Config":"e","RepoTags":null}])";
        CHECK(add_docker_images(current, {{.config = "f", .names = {"a:1", "b:1"}, .layers = {}}}) ==
              R"([{"Config":"c","Layers":["l"],"RepoTags":["a:2"]},{"Config":"e","Layers":[],"RepoTags":[]},)"
              R"({"Config":"f","Layers":[],"RepoTags":["a:1","b:1"]}])");
        CHECK(add_docker_images(current, {{.config = "c", .names = {"a:3"}, .layers = {"l"}}})
                  .find(R"(["a:1","a:2","a:3"])") != std::string::npos);
        CHECK(add_docker_images(current, {}, {"a:1", "b:1"}) ==
              R"([{"Config":"c","Layers":["l"],"RepoTags":["a:2"]},{"Config":"e","Layers":[],"RepoTags":[]}])");
    }

    TEST_CASE("what is none") {
        for (const char* text : {"{}", "x", "[1]", R"([{"RepoTags":[]}])", R"([{"Config":1}])",
                                 R"([{"Config":"c","RepoTags":[1]}])", R"([{"Config":"c","Layers":"l"}])"})
            CHECK(test::kind_of([&] { add_docker_images(text, {}); }) == ErrorKind::invalid_argument);
    }
}
