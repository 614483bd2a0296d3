// SPDX-License-Identifier: Apache-2.0
// The vectors of containerd's garbage collection tests (containerd-store.md 3.6), on the rows themselves.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <filesystem>

#include "base/error.hpp"
#include "meta/content.hpp"
#include "meta/images.hpp"
#include "meta/leases.hpp"
#include "meta/namespaces.hpp"
#include "meta/snapshots.hpp"
#include "store/gc.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;

namespace {

using oci::Labels;

const std::string gc = "containerd.io/gc.";

oci::Digest blob(int number) {
    return oci::Digest::of("blob " + std::to_string(number));
}

std::string in_hours(int hours) {
    return rfc3339(now() + std::chrono::hours(hours));
}

// Everything is made by its number, in the namespace that is chosen.
struct World {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};
    std::string space = "ns1";

    World() {
        for (const char* name : {"ns1", "ns2"})
            meta::Namespaces(store.database()).ensure(name);
    }

    meta::Content content() { return {store.database(), space}; }
    meta::Leases leases() { return {store.database(), space}; }
    meta::Images images() { return {store.database(), space}; }
    meta::Snapshots snapshots(const std::string& snapshotter = "overlay") {
        return {store.database(), space, snapshotter};
    }

    void add_content(int number, const Labels& labels = {}) {
        const std::string path = dir.path("store/content/blobs/sha256/" + blob(number).hex());
        write_all(open_at(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600).get(), as_bytes("blob " + std::to_string(number)),
                  path);
        content().put(blob(number), 6, labels);
    }
    void add_snapshot(const std::string& key, const std::string& parent = "", const Labels& labels = {},
                      const std::string& snapshotter = "overlay") {
        snapshots(snapshotter).create("making " + key, parent, meta::SnapshotKind::active, {});
        snapshots(snapshotter).commit("making " + key, key, parent, labels);
    }
    void add_image(const std::string& name, int target, const Labels& labels = {}) {
        images().put(
            {.name = name, .target = {.media_type = "m", .digest = blob(target), .size = 1}, .labels = labels});
    }
    void add_container(const std::string& name, const std::string& snapshot = "") {
        store.database().run("INSERT INTO containers (namespace, name, image, snapshotter, snapshot_key, runtime_name, "
                             "sandbox, created, updated) VALUES (?, ?, '', 'overlay', ?, 'r', '', 0, 0)",
                             space, name, snapshot);
    }
    void add_lease(const std::string& id, const Labels& labels, const std::vector<meta::LeaseResource>& holds) {
        leases().create({.id = id, .owner_lock = {}, .labels = labels, .created = {}});
        for (const meta::LeaseResource& resource : holds)
            leases().add(id, resource);
    }

    void collect() { store::collect(store, Mode::remove, {}); }
    bool has(int number) { return content().find(blob(number)).has_value(); }
    bool has_snapshot(const std::string& key, const std::string& snapshotter = "overlay") {
        return snapshots(snapshotter).find(key).has_value();
    }
    bool has_image(const std::string& name) { return images().find(name).has_value(); }
    bool has_file(int number) const {
        return std::filesystem::exists(dir.path("store/content/blobs/sha256/" + blob(number).hex()));
    }
    bool has_ingest(const std::string& ref) {
        for (const meta::IngestRow& row : content().ingests())
            if (row.ref == ref)
                return true;
        return false;
    }
};

} // namespace

TEST_SUITE("gc") {
    TEST_CASE("the target of an image and what is a root stay") {
        World world;
        world.add_content(1);
        world.add_content(2);
        world.add_content(3);
        world.add_content(4, {{gc + "root", "yes"}});
        world.add_image("image", 2);
        world.collect();
        CHECK_FALSE(world.has(1));
        CHECK(world.has(2));
        CHECK_FALSE(world.has(3));
        CHECK(world.has(4));
        CHECK_FALSE(world.has_file(1));
        CHECK(world.has_file(2));
    }

    TEST_CASE("a container keeps its snapshot and what that stands on") {
        World world;
        world.add_snapshot("1");
        world.add_snapshot("2", "1");
        world.add_snapshot("3", "2");
        world.add_snapshot("4", "3");
        world.snapshots().create("5", "3", meta::SnapshotKind::active, {});
        world.add_container("c", "4");
        world.collect();
        for (const char* key : {"1", "2", "3", "4"})
            CHECK(world.has_snapshot(key));
        CHECK_FALSE(world.has_snapshot("5"));
    }

    TEST_CASE("a lease keeps what it holds and what that refers to") {
        World world;
        world.add_content(5, {{gc + "ref.content.0", blob(6).string()}});
        world.add_content(6);
        world.add_content(7);
        world.add_snapshot("6", "", {{gc + "ref.content", blob(7).string()}});
        world.add_lease("l", {}, {{"content", blob(5).string()}, {"snapshots/overlay", "6"}});
        world.collect();
        for (const int number : {5, 6, 7})
            CHECK(world.has(number));
        CHECK(world.has_snapshot("6"));
    }

    TEST_CASE("a flat lease keeps what it holds, parents, and not what that refers to") {
        World world;
        world.add_content(8, {{gc + "ref.content.0", blob(9).string()}});
        world.add_content(9);
        world.add_content(10);
        world.add_snapshot("7", "", {{gc + "ref.content", blob(10).string()}});
        world.add_snapshot("8", "7");
        world.add_snapshot("9", "8");
        world.add_lease("l", {{gc + "flat", "yes"}}, {{"content", blob(8).string()}, {"snapshots/overlay", "9"}});
        world.collect();
        CHECK(world.has(8));
        CHECK_FALSE(world.has(9));
        CHECK_FALSE(world.has(10));
        for (const char* key : {"7", "8", "9"})
            CHECK(world.has_snapshot(key));
    }

    TEST_CASE("a flat lease of an image keeps its target and no more; what is reached in full, too, is kept in full") {
        World world;
        world.add_content(1, {{gc + "ref.content.0", blob(2).string()}});
        world.add_content(2);
        world.add_content(3, {{gc + "ref.content.0", blob(4).string()}});
        world.add_content(4);
        world.add_image("flat", 1, {{gc + "expire", in_hours(-1)}, {gc + "ref.content", blob(4).string()}});
        world.add_lease("flat", {{gc + "flat", "yes"}}, {{"images", "flat"}, {"content", blob(3).string()}});
        SUBCASE("flat alone") {
            world.collect();
            CHECK_FALSE(world.has(4));
        }
        SUBCASE("both") {
            world.add_lease("full", {}, {{"content", blob(3).string()}});
            world.collect();
            CHECK(world.has(4));
        }
        CHECK(world.has_image("flat"));
        CHECK(world.has(1));
        CHECK_FALSE(world.has(2));
        CHECK(world.has(3));
    }

    TEST_CASE("ingests live until they expire, or with their lease") {
        World world;
        world.add_content(1);
        const auto hour = std::chrono::hours(1);
        world.content().put_ingest({.ref = "without", .expected = {}, .expires = {}});
        world.content().put_ingest({.ref = "expired", .expected = {}, .expires = now() - hour});
        world.content().put_ingest({.ref = "fresh", .expected = blob(1).string(), .expires = now() + hour});
        world.content().put_ingest({.ref = "leased", .expected = {}, .expires = now() - hour});
        world.content().put_ingest({.ref = "leased in vain", .expected = {}, .expires = {}});
        world.add_lease("live", {{gc + "expire", in_hours(1)}}, {{"ingests", "leased"}});
        world.add_lease("dead", {{gc + "expire", in_hours(-1)}}, {{"ingests", "leased in vain"}});
        world.collect();
        CHECK_FALSE(world.has_ingest("without"));
        CHECK_FALSE(world.has_ingest("expired"));
        CHECK(world.has_ingest("fresh"));
        CHECK(world.has_ingest("leased"));
        CHECK_FALSE(world.has_ingest("leased in vain"));
        CHECK(world.has(1));
        CHECK(world.leases().find("live"));
        CHECK_FALSE(world.leases().find("dead"));
    }

    TEST_CASE("an expired image goes unless something else keeps it") {
        World world;
        const Labels past{{gc + "expire", in_hours(-1)}};
        for (const int number : {1, 2, 3, 4, 5, 6})
            world.add_content(number);
        world.add_image("alone", 1, past);
        world.add_image("leased", 2, past);
        world.add_image("leased in vain", 3, past);
        world.add_image("referred to", 4, past);
        world.add_image("not yet", 5, {{gc + "expire", in_hours(1)}});
        world.add_image("no time", 6, {{gc + "expire", "tomorrow"}});
        world.add_image("main", 5, {{gc + "ref.image.extra", "referred to"}});
        world.add_lease("live", {}, {{"images", "leased"}});
        world.add_lease("dead", past, {{"images", "leased in vain"}});
        world.collect();
        CHECK_FALSE(world.has_image("alone"));
        CHECK_FALSE(world.has(1));
        CHECK(world.has_image("leased"));
        CHECK(world.has(2));
        CHECK_FALSE(world.has_image("leased in vain"));
        CHECK_FALSE(world.has(3));
        CHECK(world.has_image("referred to"));
        CHECK(world.has(4));
        CHECK(world.has_image("not yet"));
        CHECK(world.has_image("no time"));

        world.images().remove("main");
        world.collect();
        CHECK_FALSE(world.has_image("referred to"));
        CHECK_FALSE(world.has(4));
    }

    TEST_CASE("a further name of an image goes with the image") {
        World world;
        world.add_content(1);
        world.add_image("main", 1);
        world.add_image("extra", 1, {{gc + "bref.image", "main"}, {gc + "expire", in_hours(-1)}});
        world.collect();
        CHECK(world.has_image("extra"));
        world.images().remove("main");
        world.collect();
        CHECK_FALSE(world.has_image("extra"));
        CHECK_FALSE(world.has(1));
    }

    TEST_CASE("a label that only begins like a reference is none") {
        World world;
        world.add_content(1, {{gc + "ref.contentbad", blob(2).string()},
                              {gc + "ref.content.x", blob(3).string()},
                              {gc + "ref.content/x", blob(4).string()}});
        for (const int number : {2, 3, 4})
            world.add_content(number);
        world.add_image("image", 1);
        world.collect();
        CHECK_FALSE(world.has(2));
        CHECK(world.has(3));
        CHECK(world.has(4));
    }

    TEST_CASE("snapshots of several snapshotters") {
        World world;
        world.add_content(1, {{gc + "ref.snapshot.btrfs", "sn1"},
                              {gc + "ref.snapshot.overlay/one", "sn1"},
                              {gc + "ref.snapshot.overlay/two", "sn2"},
                              {gc + "ref.snapshot.overlay.three", "sn3"}});
        world.add_snapshot("sn1", "", {}, "btrfs");
        for (const char* key : {"sn1", "sn2", "sn3"})
            world.add_snapshot(key);
        world.add_image("image", 1);
        world.collect();
        CHECK(world.has_snapshot("sn1", "btrfs"));
        CHECK(world.has_snapshot("sn1"));
        CHECK(world.has_snapshot("sn2"));
        CHECK_FALSE(world.has_snapshot("sn3"));
    }

    TEST_CASE("back references: to a container, in its own namespace only, and to the other kinds") {
        World world;
        world.add_container("c1");
        world.add_content(1, {{gc + "bref.container", "c1"}});
        world.space = "ns2";
        world.add_content(1, {{gc + "bref.container", "c1"}});
        world.space = "ns1";
        world.add_content(2, {{gc + "bref.content.x", blob(1).string()}});
        world.add_content(3, {{gc + "bref.content", blob(4).string()}});
        world.add_content(4);
        world.add_snapshot("s", "", {{gc + "bref.content", blob(2).string()}});
        world.add_content(5, {{gc + "bref.snapshot.overlay/x", "s"}});
        world.collect();
        CHECK(world.has(1));
        CHECK(world.has(2));
        CHECK_FALSE(world.has(3));
        CHECK_FALSE(world.has(4));
        CHECK(world.has_snapshot("s"));
        CHECK(world.has(5));
        world.space = "ns2";
        CHECK_FALSE(world.has(1));
        CHECK(world.has_file(1));
    }

    TEST_CASE("conditions on when a snapshot was used") {
        World world;
        std::string condition;
        int hours = 0;
        bool kept = false;
        SUBCASE("younger") {
            condition = "usedat<2h|sn6", hours = 1, kept = true;
        }
        SUBCASE("not younger") {
            condition = "usedat<2h|sn6", hours = 3;
        }
        SUBCASE("older") {
            condition = "usedat>2h|sn6", hours = 3, kept = true;
        }
        SUBCASE("not older") {
            condition = "usedat>2h|sn6", hours = 1;
        }
        SUBCASE("one of several") {
            condition = "usedat<1m,nonsense,usedat>2h|sn6", hours = 3, kept = true;
        }
        SUBCASE("malformed") {
            condition = "usedat<soon,usedat=1h|sn6", hours = 1;
        }
        SUBCASE("another snapshot") {
            condition = "usedat<2h|sn7", hours = 1;
        }
        world.add_content(1, {{gc + "root", "yes"}, {gc + "cond.snapshot.overlay", condition}});
        world.add_snapshot("sn6", "", {{gc + "cond.value-usedat", in_hours(-hours)}});
        world.collect();
        CHECK(world.has_snapshot("sn6") == kept);
    }

    TEST_CASE("one digest in two namespaces: the row without a reference goes, the file stays") {
        World world;
        world.add_content(1);
        world.add_image("image", 1);
        world.space = "ns2";
        world.add_content(1);
        world.collect();
        CHECK_FALSE(world.has(1));
        world.space = "ns1";
        CHECK(world.has(1));
        CHECK(world.has_file(1));
    }
}

// What commands ask before they end: no cases of containerd's, which has no such question.
TEST_SUITE("is a collection due") {
    TEST_CASE("not in an empty store, nor after what expired has been looked at") {
        World world;
        CHECK_FALSE(is_collection_due(world.store));
        world.add_content(1);
        const auto hour = std::chrono::hours(1);
        SUBCASE("an image that something else keeps") {
            world.add_image("image", 1, {{gc + "expire", in_hours(-1)}});
            world.add_image("main", 1, {{gc + "ref.image", "image"}});
        }
        SUBCASE("an ingest that a lease holds") {
            world.content().put_ingest({.ref = "r", .expected = {}, .expires = now() - hour});
            world.add_lease("l", {}, {{"ingests", "r"}});
        }
        SUBCASE("a lease") {
            world.add_lease("l", {{gc + "expire", in_hours(-1)}}, {});
        }
        SUBCASE("a lease whose owner died") {
            world.leases().create({.id = "l", .owner_lock = "lease-gone", .labels = {}, .created = {}});
        }
        CHECK(is_collection_due(world.store));
        world.collect();
        CHECK_FALSE(is_collection_due(world.store));
    }

    TEST_CASE("what expires after the last look is news again") {
        World world;
        world.add_image("image", 1, {{gc + "expire", in_hours(-1)}});
        world.add_lease("l", {}, {{"images", "image"}});
        world.collect();
        CHECK_FALSE(is_collection_due(world.store));
        world.add_image("another", 1, {{gc + "expire", in_hours(-1)}});
        CHECK(is_collection_due(world.store));
    }

    TEST_CASE("what has not expired is no reason") {
        World world;
        world.add_image("image", 1, {{gc + "expire", in_hours(1)}});
        world.add_image("no time", 1, {{gc + "expire", "tomorrow"}});
        world.add_lease("l", {{gc + "expire", in_hours(1)}}, {});
        world.content().put_ingest({.ref = "r", .expected = {}, .expires = now() + std::chrono::hours(1)});
        CHECK_FALSE(is_collection_due(world.store));
    }
}
