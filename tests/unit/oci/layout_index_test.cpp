// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/layout.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::oci;

namespace {

Descriptor target(const std::string& text) {
    return {.media_type = std::string(media_type::oci_manifest), .digest = Digest::of(text), .size = text.size()};
}

std::vector<Descriptor> listed(const std::string& text) {
    return parse_index(text, media_type::oci_index, "index").manifests;
}

std::string with(const std::vector<std::string>& entries) {
    std::string text = R"({"schemaVersion":2,"annotations":{"kept":"yes"},"manifests":[)";
    for (const std::string& entry : entries)
        text.append(&entry == entries.data() ? "" : ",").append(entry);
    return text + "]}";
}

std::string entry(const std::string& text, const std::string& annotations) {
    return cat(R"({"mediaType":")", media_type::oci_manifest, R"(","size":1,"digest":")", Digest::of(text),
               R"(","extra":1,"annotations":{)", annotations, "}}");
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("an image has its name and its tag") {
        const Descriptor image = named_image(target("x"), "docker.io/library/a:1");
        CHECK(image.annotations ==
              std::map<std::string, std::string>{{"io.containerd.image.name", "docker.io/library/a:1"},
                                                 {"org.opencontainers.image.ref.name", "1"}});
        const std::string digest = cat("docker.io/library/a@", Digest::of("x"));
        CHECK(named_image(target("x"), digest).annotations.at("org.opencontainers.image.ref.name") == digest);
        CHECK(named_image(target("x"), "no reference").annotations.at("org.opencontainers.image.ref.name") ==
              "no reference");
    }

    TEST_CASE("a descriptor is written as it is read") {
        Descriptor descriptor = target("x");
        descriptor.platform = Platform{
            .os = "windows", .architecture = "arm", .variant = "v7", .os_version = "10", .os_features = {"win32k"}};
        descriptor.urls = {"https://a"};
        descriptor.annotations = {{"a", "b"}};
        descriptor.artifact_type = "type";
        const std::vector<Descriptor> read = listed(layout_index({descriptor}));
        REQUIRE(read.size() == 1);
        CHECK(read[0].platform == descriptor.platform);
        CHECK(read[0].urls == descriptor.urls);
        CHECK(read[0].annotations == descriptor.annotations);
        CHECK(read[0].artifact_type == "type");
        CHECK(read[0].digest == descriptor.digest);
        CHECK(read[0].size == 1);
    }

    TEST_CASE("an image takes the place of its name and leaves the rest as it is") {
        const std::string name = R"("io.containerd.image.name":")";
        const std::string tag = R"("org.opencontainers.image.ref.name":")";
        const std::string current =
            with({entry("same name", name + R"(docker.io/library/a:1",)" + tag + R"(1")"),
                  entry("other name", name + R"(docker.io/library/b:1",)" + tag + R"(1")"), entry("tag", tag + R"(1")"),
                  entry("other tag", tag + R"(2")"), entry("nameless", "")});
        const std::string text = add_to_layout_index(current, {named_image(target("new"), "docker.io/library/a:1")});
        const std::vector<Descriptor> now = listed(text);
        REQUIRE(now.size() == 4);
        CHECK(now[0].digest == Digest::of("other name"));
        CHECK(now[1].digest == Digest::of("other tag"));
        CHECK(now[2].digest == Digest::of("nameless"));
        CHECK(now[3].digest == Digest::of("new"));
        CHECK(text.find(R"("kept":"yes")") != std::string::npos);
        CHECK(text.find(R"("extra":1)") != std::string::npos);
        // What has no name is known by its digest.
        CHECK(listed(add_to_layout_index(current, {target("nameless")})).size() == 5);
        CHECK(test::kind_of([] { add_to_layout_index("[]", {}); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("the marker") {
        check_layout(layout::marker_text);
        check_layout(R"({"imageLayoutVersion": "1.0.0", "more": 1})");
        CHECK(test::kind_of([] { check_layout(R"({"imageLayoutVersion":"1.1.0"})"); }) == ErrorKind::unimplemented);
        CHECK(test::kind_of([] { check_layout("{}"); }) == ErrorKind::invalid_argument);
        CHECK(test::kind_of([] { check_layout("x"); }) == ErrorKind::invalid_argument);
    }
}
