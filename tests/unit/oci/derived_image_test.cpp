// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "oci/config_change.hpp"
#include "oci/derived_image.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::oci;
using lade::test::kind_of;

namespace {

using Texts = std::vector<std::string>;

Json changed(const Json& config, const Texts& changes) {
    Json copy = config;
    for (const std::string& change : changes)
        change_config(copy, change);
    return copy;
}

} // namespace

TEST_SUITE("derived image") {
    TEST_CASE("words") {
        CHECK(split_words("") == Texts{});
        CHECK(split_words("  a  b\tc ") == Texts{"a", "b", "c"});
        CHECK(split_words("a\"b c\"'d \"e'\\ f") == Texts{"ab cd \"e f"});
        CHECK(split_words("\"\" ''") == Texts{"", ""});
        CHECK(split_words("'a\\b' \"a\\\"b\" \\") == Texts{"a\\b", "a\"b", "\\"});
        CHECK(kind_of([] { split_words("a 'b"); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("instructions") {
        CHECK(changed({}, {"CMD a  b"}) == Json{{"Cmd", {"/bin/sh", "-c", "a  b"}}});
        CHECK(changed({}, {"cmd=[\"a\", \"b c\"]"}) == Json{{"Cmd", {"a", "b c"}}});
        CHECK(changed({}, {"ENTRYPOINT []"}) == Json{{"Entrypoint", Json::array()}});
        CHECK(changed({{"Env", {"A=1", "B=2"}}}, {"ENV B=3 C=4", "ENV D e f"}) ==
              Json{{"Env", {"A=1", "B=3", "C=4", "D=e f"}}});
        CHECK(changed({{"Labels", nullptr}}, {"LABEL a=b=c \"d e\"='f g'"}) ==
              Json{{"Labels", {{"a", "b=c"}, {"d e", "f g"}}}});
        CHECK(changed({}, {"WORKDIR a", "WORKDIR b"}) == Json{{"WorkingDir", "/a/b"}});
        CHECK(changed({}, {"WORKDIR a", "WORKDIR /b"}) == Json{{"WorkingDir", "/b"}});
        CHECK(changed({}, {"EXPOSE 80 53/UDP 1-2/sctp"})["ExposedPorts"].size() == 3);
        CHECK(changed({}, {"VOLUME /a /b", "VOLUME [\"/c d\"]"})["Volumes"].contains("/c d"));
        for (const char* wrong : {"", "FROM x", "CMD", "ENV =", "ENV a", "ENV a=b c", "EXPOSE x", "EXPOSE 0",
                                  "EXPOSE 1/x", "EXPOSE 70000", "CMD [1]", "CMD [\"a\"", "LABEL a='"})
            CHECK_MESSAGE(kind_of([&] { changed({}, {wrong}); }) == ErrorKind::invalid_argument, wrong);
    }

    TEST_CASE("config") {
        const DiffId one{Digest::of("1")};
        const DiffId two{Digest::of("2")};
        const Step step{
            .created = "2020-01-01T00:00:00Z", .created_by = "x", .author = "", .comment = "c", .changes = {}};
        const Documents none = empty_documents(parse_platform("linux/arm64"));
        const std::string first = derive_config(none.config, step, one);
        CHECK(parse_config(first, "c").platform.architecture == "arm64");
        CHECK(parse_config(first, "c").diff_ids == std::vector<DiffId>{one});
        CHECK(parse_history(first, "c").front().comment == "c");
        const std::string second = derive_config(first, step, two);
        CHECK(parse_config(second, "c").diff_ids == std::vector<DiffId>{one, two});
        CHECK(parse_history(second, "c").size() == 2);
        // What the base says besides stays; without a history nothing tells of the layers below.
        Json base = Json::parse(first);
        base.erase("history");
        base["x"] = "y";
        base["container"] = "z";
        const Json other = Json::parse(derive_config(base.dump(), step, two));
        CHECK_FALSE(other.contains("history"));
        CHECK_FALSE(other.contains("container"));
        CHECK(other["x"] == "y");
        CHECK(kind_of([&] { derive_config("[]", step, one); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("manifest") {
        const Descriptor config{
            .media_type = std::string(media_type::oci_config), .digest = Digest::of("c"), .size = 1};
        const Descriptor layer{.media_type = std::string(usual_layer_type(media_type::oci_manifest)),
                               .digest = Digest::of("l"),
                               .size = 2};
        Documents documents = empty_documents(host_platform());
        documents.manifest = derive_manifest(documents, config, layer, {{"a", "b"}});
        const std::string text = derive_manifest(documents, config, layer, {});
        const Manifest manifest = parse_manifest(text, media_type::oci_manifest, "m");
        CHECK(manifest.layers.size() == 2);
        CHECK(manifest.config.digest == config.digest);
        CHECK(documents.manifest.find("annotations") != std::string::npos);
        CHECK(text.find("annotations") == std::string::npos);
        CHECK(may_have_layer(media_type::oci_manifest, layer.media_type));
        CHECK_FALSE(may_have_layer(media_type::docker_manifest, layer.media_type));
        CHECK(may_have_layer(media_type::docker_manifest, usual_layer_type(media_type::docker_manifest)));
    }
}
