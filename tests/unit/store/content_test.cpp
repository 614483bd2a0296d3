// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.hpp"
#include "meta/content.hpp"
#include "meta/namespaces.hpp"
#include "store/digests.hpp"
#include "store/fields.hpp"
#include "store/prune_references.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;
using lade::test::kind_of;

namespace {

struct Place {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};

    oci::Digest add(const std::string& digest, const oci::Labels& labels = {}, const std::string& name_space = "one") {
        meta::Transaction transaction(store.database());
        meta::Namespaces(store.database()).ensure(name_space);
        meta::Content(store.database(), name_space).put(oci::Digest::parse(digest), 1, labels);
        transaction.commit();
        return oci::Digest::parse(digest);
    }
    oci::Labels labels(const oci::Digest& digest, const std::string& name_space = "one") {
        return meta::Content(store.database(), name_space).find(digest)->labels;
    }
};

// The text and zeros up to the length of a digest.
std::string padded(const std::string& start) {
    return start + std::string((start.starts_with("sha256:") ? 71 : 135) - start.size(), '0');
}

} // namespace

TEST_SUITE("store") {
    TEST_CASE("the start of a digest finds the one that begins so in this namespace") {
        Place place;
        const oci::Digest first = place.add(padded("sha256:abcdef1"));
        const oci::Digest second = place.add(padded("sha256:abcdef2"));
        const oci::Digest third = place.add(padded("sha512:abcd0"));
        place.add(padded("sha256:12345"), {}, "two");
        const auto find = [&](const std::string& text) { return get_digest(place.store, "one", text); };

        CHECK(find("abcdef1") == first);
        CHECK(find("sha256:abcdef2") == second);
        CHECK(find("abcd0") == third);
        CHECK(find("sha512:abcd") == third);
        CHECK(find(second.hex()) == second);
        // A whole digest need not be there.
        CHECK(find(padded("sha256:12345")).hex().starts_with("12345"));
        CHECK(kind_of([&] { find("abcd"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { find("sha256:abcd"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { find("12345"); }) == ErrorKind::not_found);
        CHECK(kind_of([&] { find("abc"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { find("*bcdef1"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { find("md5:abcdef1"); }) == ErrorKind::unimplemented);
    }

    TEST_CASE("references to layers are pruned, and nothing else") {
        Place place;
        const std::string layer = padded("sha256:aaaa");
        const std::string ref = "containerd.io/gc.ref.content";
        const oci::Labels kept{
            {ref + ".config", layer}, {ref + ".0", layer}, {ref + ".m.0", layer},
            {ref + ".", layer},       {ref, layer},        {ref + "/1", layer},
            {ref + ".1a", layer},     {"mine", "1"},       {"containerd.io/gc.ref.contents.1", layer}};
        const oci::Labels pruned{{ref + ".l.0", layer}, {ref + ".l.10", layer}, {ref + ".l.", layer},
                                 {ref + ".1", layer},   {ref + ".23", layer},   {ref + ".00", layer}};
        oci::Labels all = kept;
        all.insert(pruned.begin(), pruned.end());
        const oci::Digest manifest = place.add(padded("sha256:bbbb"), all);
        place.add(padded("sha256:cccc"), kept);
        place.add(padded("sha256:bbbb"), all, "two");

        const auto dry = prune_references(place.store, "one", Mode::dry_run);
        CHECK(place.labels(manifest) == all);
        const auto real = prune_references(place.store, "one", Mode::remove);
        for (const auto& result : {dry, real}) {
            REQUIRE(result.size() == 1);
            CHECK(result[0].digest == manifest);
            CHECK(result[0].removed == pruned);
        }
        CHECK(place.labels(manifest) == kept);
        CHECK(place.labels(manifest, "two") == all);
        CHECK(prune_references(place.store, "one", Mode::remove).empty());
    }

    TEST_CASE("fields of an ingest") {
        const Time time = *parse_rfc3339("2026-01-01T00:00:00Z");
        content::IngestStatus ingest{.ref = "layer-x", .offset = 5, .total = 0, .started = time, .updated = time};
        const auto matches = [&](const std::string& filter) {
            return Filter::parse({filter}, ordered_fields(), time + std::chrono::hours(1)).matches(fields(ingest));
        };
        CHECK(matches("ref==layer-x,offset==5,offset>4B"));
        CHECK(matches("started<30m,updated<=60m,started>2h"));
        CHECK_FALSE(matches("total"));
        CHECK_FALSE(matches("total<10"));
        ingest.total = 9;
        CHECK(matches("total<10"));
        CHECK_FALSE(matches("name"));
    }
}
