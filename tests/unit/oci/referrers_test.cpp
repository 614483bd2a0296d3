// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "oci/referrers.hpp"
#include "unit/kind_of.hpp"

using lade::cat;
using lade::ErrorKind;
using lade::oci::Descriptor;
using lade::oci::Digest;
using lade::test::kind_of;

namespace {

const Digest image = Digest::of("image");
const std::string manifest_type(lade::oci::media_type::oci_manifest);

std::string subject() {
    return cat(R"("subject":{"mediaType":")", manifest_type, R"(","digest":")", image, R"(","size":5})");
}

Descriptor referrer(const std::string& text) {
    return lade::oci::describe_referrer(text, manifest_type, Digest::of(text));
}

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("referrers: what a document says of itself") {
        const auto config = [](const std::string& type) {
            return cat(R"("config":{"mediaType":")", type, R"(","digest":")", image, R"(","size":2})");
        };
        const auto typed = lade::oci::parse_referral(
            cat("{", subject(), R"(,"artifactType":"a/b","annotations":{"k":"v"},)", config("c/d"), "}"), "m");
        CHECK(typed.subject->digest == image);
        CHECK(typed.artifact_type == "a/b");
        CHECK(typed.annotations.at("k") == "v");
        const auto untyped = lade::oci::parse_referral(cat("{", config("c/d"), "}"), "m");
        CHECK_FALSE(untyped.subject);
        CHECK(untyped.artifact_type == "c/d");
        CHECK(lade::oci::parse_referral("{}", "m").artifact_type.empty());
        for (const char* bad : {"", "[]", R"({"subject":1})", R"({"subject":{}})", R"({"annotations":{"a":1}})"})
            CHECK(kind_of([&] { lade::oci::parse_referral(bad, "m"); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("referrers: the type of a document that nobody described") {
        CHECK(lade::oci::find_document_type(cat(R"({"mediaType":")", manifest_type, "\"}")) == manifest_type);
        CHECK(lade::oci::find_document_type(R"({"config":{}})") == manifest_type);
        CHECK(lade::oci::find_document_type(R"({"manifests":[]})") == lade::oci::media_type::oci_index);
        CHECK_FALSE(lade::oci::find_document_type(R"({"mediaType":"application/json","config":{}})"));
        CHECK_FALSE(lade::oci::find_document_type("{}"));
    }

    TEST_CASE("referrers: the tag fits a tag") {
        CHECK(lade::oci::referrers_tag(image) == cat("sha256-", image.hex()));
        const Digest longer = Digest::parse(cat("sha512:", std::string(128, 'a')));
        CHECK(lade::oci::referrers_tag(longer) == cat("sha512-", std::string(64, 'a')));
    }

    TEST_CASE("referrers: the index of the tag grows and keeps what it has") {
        const Descriptor one = referrer(R"({"artifactType":"a/b","annotations":{"k":"v"}})");
        const Descriptor two = referrer(R"({"artifactType":"c/d"})");
        const auto first = lade::oci::add_to_referrers(std::nullopt, one);
        REQUIRE(first);
        CHECK_FALSE(lade::oci::add_to_referrers(first, one));
        const auto both = lade::oci::add_to_referrers(first, two);
        REQUIRE(both);
        const auto listed = lade::oci::parse_index(*both, lade::oci::media_type::oci_index, "i").manifests;
        REQUIRE(listed.size() == 2);
        CHECK(listed[0].digest == one.digest);
        CHECK(listed[0].artifact_type == "a/b");
        CHECK(listed[0].annotations.at("k") == "v");
        CHECK(listed[0].size == one.size);
        CHECK(listed[1].artifact_type == "c/d");
        const auto kept = lade::oci::add_to_referrers(R"({"schemaVersion":2,"annotations":{"x":"y"}})", one);
        REQUIRE(kept);
        CHECK(kept->find(R"("x":"y")") != std::string::npos);
        CHECK(kind_of([&] { lade::oci::add_to_referrers(R"({"layers":[]})", one); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("referrers: the label that keeps one, on a subject and on an index that lists it") {
        const std::string key = cat("containerd.io/gc.ref.content.referrer.sha256.", image.hex().substr(0, 12));
        CHECK(lade::oci::referrer_label(image) == std::pair(key, image.string()));
        const auto index = lade::oci::parse_index(
            cat(R"({"manifests":[{"mediaType":")", manifest_type, R"(","digest":")", image,
                R"(","size":5,"annotations":{"io.containerd.manifest.subject":")", image, R"("}}]})"),
            lade::oci::media_type::oci_index, "i");
        CHECK(lade::oci::reference_labels(index) == lade::oci::Labels{{key, image.string()}});
    }
}
