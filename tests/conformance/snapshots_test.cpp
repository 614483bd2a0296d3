// SPDX-License-Identifier: Apache-2.0
// The rules of containerd's snapshot rows (containerd-store.md 2.7, 2.11, 6.2) and those cases of its suites (6.6) that
// need no mount. What cannot apply here:
// - "Prepare in a second namespace with a snapshot.ref that a backend honours": there is one truth and no backend that
// knows
//   snapshots of other namespaces, so a label never makes a snapshot appear.
// - Walk over entries that the backend lost, and "uncommittable": rows of a snapshotter and of its metadata are the
// same.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/filter.hpp"
#include "store/fields.hpp"
#include "store/gc.hpp"
#include "store/namespaces.hpp"
#include "store/snapshots.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;
using lade::test::kind_of;

namespace {

const std::string ref_label(oci::label::snapshot_ref);

struct Place {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};
};

// One namespace with a lease of people, through which all goes.
struct Space {
    Space(Place& place, const std::string& name)
        : store(place.store), name_space(name), snapshots(store, name, "native") {
        Leases(store, name).create({.id = "lease", .owner_lock = std::nullopt, .labels = {}, .created = {}});
    }

    void prepare(const std::string& key, const std::string& parent = "", const oci::Labels& labels = {}) {
        LeaseHold lease(store, name_space, "lease");
        snapshots.create(SnapshotKind::active, key, parent, labels, lease, {});
    }
    void view(const std::string& key, const std::string& parent = "") {
        LeaseHold lease(store, name_space, "lease");
        snapshots.create(SnapshotKind::view, key, parent, {}, lease, {});
    }
    void commit(const std::string& key, const std::string& name, const std::string& parent = "",
                const oci::Labels& labels = {}) {
        LeaseHold lease(store, name_space, "lease");
        snapshots.commit_active(key, name, parent, labels, lease, {});
    }
    std::vector<std::string> leased() {
        std::vector<std::string> keys;
        for (const LeaseResource& one : Leases(store, name_space).resources("lease")) {
            CHECK(one.type == "snapshots/native");
            keys.push_back(one.key);
        }
        return keys;
    }
    std::vector<std::string> keys(const std::vector<std::string>& filters = {}) {
        const Filter filter = Filter::parse(filters);
        std::vector<std::string> found;
        for (const Snapshot& snapshot : snapshots.list())
            if (filter.matches(fields(snapshot)))
                found.push_back(snapshot.key);
        return found;
    }
    // How many directories there are; every row has one.
    void check_directories() { CHECK(snapshots.kind().list().size() == snapshots.list().size()); }

    Store& store;
    std::string name_space;
    Snapshots snapshots;
};

using Texts = std::vector<std::string>;

bool privileged() {
    return ::geteuid() == 0;
}

} // namespace

TEST_SUITE("snapshots" * doctest::skip(!privileged())) {
    TEST_CASE("kinds and parents") {
        Place place;
        Space space(place, "default");
        space.prepare("a");
        CHECK(space.snapshots.get("a").kind == SnapshotKind::active);
        CHECK(kind_of([&] { space.prepare("b", "none"); }) == ErrorKind::not_found);
        CHECK(kind_of([&] { space.prepare("b", "a"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { space.view("b", "a"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { space.prepare(""); }) == ErrorKind::invalid_argument);
        {
            LeaseHold lease(place.store, "default");
            CHECK(kind_of([&] { space.snapshots.create(SnapshotKind::committed, "c", "", {}, lease, {}); }) ==
                  ErrorKind::invalid_argument);
        }
        space.commit("a", "base");
        space.prepare("b", "base");
        space.commit("b", "top");
        CHECK(space.snapshots.get("top").parent == "base");
        CHECK(space.snapshots.get("base").parent.empty());
        CHECK(space.snapshots.parents("top").size() == 1);
        space.view("v", "top");
        CHECK(space.snapshots.get("v").kind == SnapshotKind::view);
        CHECK(space.snapshots.usage("v").size == 0);
        CHECK(space.snapshots.parents("v").size() == 2);
        CHECK(space.keys() == Texts{"base", "top", "v"});
        space.check_directories();
    }

    TEST_CASE("the same key twice") {
        Place place;
        Space space(place, "default");
        space.prepare("p");
        space.view("v");
        for (const char* key : {"p", "v"}) {
            CHECK(kind_of([&] { space.prepare(key); }) == ErrorKind::already_exists);
            CHECK(kind_of([&] { space.view(key); }) == ErrorKind::already_exists);
            // Also with a parent that is not there.
            CHECK(kind_of([&] { space.prepare(key, "none"); }) == ErrorKind::already_exists);
        }
        space.check_directories();
    }

    TEST_CASE("commit") {
        Place place;
        Space space(place, "default");
        space.prepare("a", "", {{"old", "1"}});
        const Snapshot active = space.snapshots.get("a");
        space.commit("a", "base", "", {{"new", "1"}});
        const Snapshot committed = space.snapshots.get("base");
        CHECK(committed.id == active.id);
        CHECK(committed.kind == SnapshotKind::committed);
        CHECK(committed.labels == oci::Labels{{"new", "1"}});
        CHECK(committed.created > active.created);
        CHECK(committed.created == committed.updated);
        CHECK_FALSE(space.snapshots.find("a"));
        CHECK(kind_of([&] { space.commit("a", "other"); }) == ErrorKind::not_found);
        space.prepare("b");
        CHECK(kind_of([&] { space.commit("b", "base"); }) == ErrorKind::already_exists);
        CHECK(space.snapshots.get("b").kind == SnapshotKind::active);
        space.view("v", "base");
        CHECK(kind_of([&] { space.commit("v", "other"); }) == ErrorKind::failed_precondition);
        CHECK(kind_of([&] { space.commit("base", "other"); }) == ErrorKind::failed_precondition);
        CHECK(kind_of([&] { space.commit("b", ""); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("commit with another parent") {
        Place place;
        Space space(place, "default");
        space.prepare("a");
        space.commit("a", "base");
        space.prepare("n");
        space.commit("n", "new");
        // "" to "", "" to base, base to base, base to "".
        space.prepare("k");
        space.commit("k", "c1");
        CHECK(space.snapshots.get("c1").parent.empty());
        space.prepare("k");
        space.commit("k", "c2", "base");
        CHECK(space.snapshots.get("c2").parent == "base");
        space.prepare("k", "base");
        space.commit("k", "c3", "base");
        CHECK(space.snapshots.get("c3").parent == "base");
        space.prepare("k", "base");
        space.commit("k", "c4");
        CHECK(space.snapshots.get("c4").parent == "base");
        // base to new, "" to one that is active or not there.
        space.prepare("k", "base");
        CHECK(kind_of([&] { space.commit("k", "c5", "new"); }) == ErrorKind::invalid_argument);
        space.prepare("free");
        CHECK(kind_of([&] { space.commit("free", "c5", "k"); }) == ErrorKind::failed_precondition);
        CHECK(kind_of([&] { space.commit("free", "c5", "none"); }) == ErrorKind::not_found);
    }

    TEST_CASE("remove: not with children, and the key is free at once") {
        Place place;
        Space space(place, "default");
        for (int i = 0; i < 2; ++i) {
            space.prepare("k");
            space.snapshots.remove("k");
            space.view("k");
            space.snapshots.remove("k");
        }
        space.prepare("a");
        space.commit("a", "base");
        space.prepare("b", "base");
        space.commit("b", "inter");
        space.prepare("top", "inter");
        CHECK(kind_of([&] { space.snapshots.remove("inter"); }) == ErrorKind::failed_precondition);
        CHECK(kind_of([&] { space.snapshots.remove("base"); }) == ErrorKind::failed_precondition);
        for (const char* key : {"top", "inter", "base"})
            CHECK_NOTHROW(space.snapshots.remove(key));
        CHECK(kind_of([&] { space.snapshots.remove("base"); }) == ErrorKind::not_found);
        space.prepare("a");
        space.commit("a", "base");
        CHECK(space.keys() == Texts{"base"});
        space.check_directories();
    }

    TEST_CASE("update") {
        Place place;
        Space space(place, "default");
        space.prepare("a");
        space.commit("a", "c", "", {{"l1", "v1"}, {"l2", "v2"}});
        space.prepare("active", "c", {{"l1", "v1"}, {"l2", "v2"}});
        space.view("view", "c");
        space.snapshots.update("view", {{"l1", "v1"}, {"l2", "v2"}}, {});
        for (const char* key : {"c", "active", "view"}) {
            const Snapshot before = space.snapshots.get(key);
            Snapshot after = space.snapshots.update(key, {{"l1", "updated"}, {"l3", "x"}}, {"labels.l1", "labels.l2"});
            CHECK(after.labels == oci::Labels{{"l1", "updated"}});
            CHECK(after.created == before.created);
            CHECK(after.updated > before.updated);
            CHECK(after.kind == before.kind);
            CHECK(after.parent == before.parent);
            after = space.snapshots.update(key, {{"a", "b"}}, {"labels"});
            CHECK(after.labels == oci::Labels{{"a", "b"}});
            after = space.snapshots.update(key, {{"c.d/e", "f"}, {"empty", ""}}, {});
            CHECK(after.labels == oci::Labels{{"c.d/e", "f"}});
            CHECK(space.snapshots.update(key, {}, {"labels.c.d/e"}).labels.empty());
            for (const char* path : {"parent", "kind", "labels.", "label", ""})
                CHECK(kind_of([&] { space.snapshots.update(key, {}, {path}); }) == ErrorKind::invalid_argument);
        }
        CHECK(kind_of([&] { space.snapshots.update("none", {}, {}); }) == ErrorKind::not_found);
        CHECK(kind_of([&] {
                  space.snapshots.update("c", {{"l", std::string(4096, 'x')}}, {});
              }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("walk with filters") {
        Place place;
        Space space(place, "default");
        const oci::Labels labels{{"l", "1"}};
        space.prepare("x");
        space.commit("x", "p", "", labels);
        space.prepare("y", "p");
        space.commit("y", "p2", "", {{"l", "2"}});
        space.prepare("a-wl", "p", labels);
        space.prepare("a");
        space.view("v", "p");
        space.snapshots.update("v", labels, {});
        CHECK(space.keys() == Texts{"a", "a-wl", "p", "p2", "v"});
        CHECK(space.keys({"kind==active"}) == Texts{"a", "a-wl"});
        CHECK(space.keys({"kind==view,labels.l"}) == Texts{"v"});
        CHECK(space.keys({"kind==committed,labels.l==1"}) == Texts{"p"});
        CHECK(space.keys({"name==a", "name==p"}) == Texts{"a", "p"});
        CHECK(space.keys({"name==a-wl,labels.l"}) == Texts{"a-wl"});
        CHECK(space.keys({"parent==p"}) == Texts{"a-wl", "p2", "v"});
        CHECK(space.keys({"parent!=\"\",kind==active"}) == Texts{"a-wl"});
        CHECK(space.keys({"labels.l"}) == Texts{"a-wl", "p", "p2", "v"});
        CHECK(space.keys({"labels.l==2"}) == Texts{"p2"});
    }

    TEST_CASE("leases: the active one, then what it became") {
        Place place;
        Space space(place, "ns1");
        space.prepare("test1-tmp", "", {{ref_label, "test1"}});
        CHECK(space.leased() == Texts{"test1-tmp"});
        space.commit("test1-tmp", "test1", "", {{ref_label, "test1"}});
        CHECK(space.leased() == Texts{"test1"});
        // Removal through a lease makes it forget.
        space.snapshots.remove("test1", "lease");
        CHECK(space.leased().empty());
    }

    TEST_CASE("leases: who is told that it exists relies on it") {
        Place place;
        Space space(place, "ns2");
        space.prepare("a");
        space.commit("a", "test1");
        space.prepare("b", "test1");
        space.commit("b", "test2");
        for (const char* key : {"test1", "test2"})
            Leases(place.store, "ns2").drop("lease", {.type = "snapshots/native", .key = key});
        CHECK(space.leased().empty());
        // With the wrong parent, and without one.
        CHECK(kind_of([&] { space.prepare("tmp", "test2", {{ref_label, "test2"}}); }) == ErrorKind::already_exists);
        CHECK(space.leased() == Texts{"test2"});
        CHECK(kind_of([&] { space.prepare("tmp", "", {{ref_label, "test1"}}); }) == ErrorKind::already_exists);
        CHECK(space.leased() == Texts{"test1", "test2"});
        CHECK_FALSE(space.snapshots.find("tmp"));
        // A commit to a name that is there.
        Leases(place.store, "ns2").drop("lease", {.type = "snapshots/native", .key = "test1"});
        space.prepare("c");
        CHECK(kind_of([&] { space.commit("c", "test1"); }) == ErrorKind::already_exists);
        CHECK(space.leased() == Texts{"c", "test1", "test2"});
    }

    TEST_CASE("leases: nothing is leased that was not made") {
        Place place;
        Space first(place, "ns1");
        first.prepare("a");
        first.commit("a", "test1");
        Space third(place, "ns3");
        CHECK(kind_of([&] { third.prepare("tmp", "test1", {{ref_label, "test3"}}); }) == ErrorKind::not_found);
        CHECK(third.leased().empty());
        CHECK(third.keys().empty());
    }

    TEST_CASE("namespaces and snapshotters do not share keys") {
        Place place;
        Space first(place, "ns1");
        Space second(place, "ns2");
        first.prepare("k");
        second.prepare("k");
        first.commit("k", "c");
        second.commit("k", "c");
        CHECK(first.snapshots.get("c").id != second.snapshots.get("c").id);
        CHECK_FALSE(Snapshots(place.store, "ns1", "overlayfs").find("c"));
    }

    TEST_CASE("a draft is nobody's snapshot, and goes unless it is finished") {
        Place place;
        Space space(place, "default");
        {
            LeaseHold lease(place.store, "default", "lease");
            const Snapshots::Draft draft(space.snapshots, SnapshotKind::active, "", {}, lease, {});
            CHECK(std::filesystem::exists(place.dir.path(cat("store/snapshots/native/", draft.stack().id))));
            CHECK(space.leased().empty());
            CHECK(collect(place.store, Mode::remove, {}).snapshots.empty());
        }
        CHECK(space.keys().empty());
        space.check_directories();
        {
            LeaseHold lease(place.store, "default", "lease");
            Snapshots::Draft draft(space.snapshots, SnapshotKind::active, "", {{"a", "b"}}, lease, {});
            meta::Transaction transaction(place.store.database());
            draft.finish("k");
            transaction.commit();
        }
        CHECK(space.keys() == Texts{"k"});
        CHECK(space.leased() == Texts{"k"});
        space.check_directories();
        {
            LeaseHold lease(place.store, "default", "lease");
            Snapshots::Draft draft(space.snapshots, SnapshotKind::active, "", {}, lease, {});
            const meta::Transaction transaction(place.store.database());
            CHECK(kind_of([&] { draft.finish("k"); }) == ErrorKind::already_exists);
        }
        CHECK(space.keys() == Texts{"k"});
        space.check_directories();
    }
}
