// SPDX-License-Identifier: Apache-2.0
// The namespace and container cases of containerd's metadata suite (containerd-store.md 0.2, 2.9 to 2.11).
#include <doctest/doctest.h>

#include "base/error.hpp"
#include "base/filter.hpp"
#include "meta/snapshots.hpp"
#include "store/containers.hpp"
#include "store/fields.hpp"
#include "store/namespaces.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;
using lade::test::kind_of;

namespace {

struct Place {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};
    Namespaces namespaces{store};
    Containers containers{store, "test"};
};

Container container(const std::string& id) {
    return {.id = id,
            .image = "",
            .labels = {},
            .runtime_name = "testruntime",
            .runtime_options = std::nullopt,
            .spec = "{}",
            .snapshotter = "",
            .snapshot_key = "",
            .extensions = {},
            .sandbox = ""};
}

std::string refusal(Place& place) {
    try {
        place.namespaces.remove("test");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::failed_precondition);
        return error.message();
    }
    return "";
}

} // namespace

TEST_SUITE("namespaces") {
    TEST_CASE("create, delete") {
        Place place;
        place.namespaces.create("test", {});
        CHECK(kind_of([&] { place.namespaces.create("test", {}); }) == ErrorKind::already_exists);
        CHECK(place.namespaces.remove("test"));
        CHECK_FALSE(place.namespaces.remove("test"));
    }

    TEST_CASE("delete: a container and a snapshotter that is not empty") {
        Place place;
        place.containers.create(container("test-container"));
        {
            meta::Transaction transaction(place.store.database());
            meta::Snapshots(place.store.database(), "test", "testss").create("k", "", SnapshotKind::active, {});
            transaction.commit();
        }
        CHECK(refusal(place).ends_with("still has 1 container, snapshots on \"testss\" snapshotter (1)"));
        place.containers.create(container("second"));
        Leases(place.store, "test").create({.id = "l", .owner_lock = std::nullopt, .labels = {}, .created = {}});
        CHECK(refusal(place).ends_with("still has 2 containers, snapshots on \"testss\" snapshotter (1), 1 lease"));
    }

    TEST_CASE("labels: an empty value removes, a namespace that is not there is made") {
        Place place;
        place.namespaces.label("test", {{"a", "1"}, {"b", "2"}});
        place.namespaces.label("test", {{"a", ""}});
        CHECK(place.namespaces.find("test")->labels == oci::Labels{{"b", "2"}});
        CHECK(kind_of([&] { place.namespaces.label("a/b", {{"a", "1"}}); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] {
                  place.namespaces.label("test", {{"a", std::string(4096, 'x')}});
              }) == ErrorKind::invalid_argument);
    }
}

TEST_SUITE("containers") {
    TEST_CASE("create: what is needed") {
        Place place;
        Container wrong = container("ok");
        wrong.runtime_name = "";
        CHECK(kind_of([&] { place.containers.create(wrong); }) == ErrorKind::invalid_argument);
        wrong = container("ok");
        wrong.spec = "";
        CHECK(kind_of([&] { place.containers.create(wrong); }) == ErrorKind::invalid_argument);
        wrong = container("ok");
        wrong.snapshot_key = "key";
        CHECK(kind_of([&] { place.containers.create(wrong); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { place.containers.create(container("not ok")); }) == ErrorKind::invalid_argument);
        CHECK(place.containers.list().empty());
        place.containers.create(container("ok"));
        CHECK(kind_of([&] { place.containers.create(container("ok")); }) == ErrorKind::already_exists);
        CHECK(kind_of([&] { place.containers.get("other"); }) == ErrorKind::not_found);
    }

    TEST_CASE("every part comes back as it was given") {
        Place place;
        Container whole = container("whole");
        whole.image = "docker.io/library/a:1";
        whole.labels = {{"k", "v"}};
        whole.runtime_options = std::string("\0\xff", 2);
        whole.snapshotter = "native";
        whole.snapshot_key = "key";
        whole.extensions = {{"e", std::string("\0x", 2)}};
        whole.sandbox = "s";
        place.containers.create(whole);
        const Container found = place.containers.get("whole");
        CHECK(found.image == whole.image);
        CHECK(found.labels == whole.labels);
        CHECK(found.runtime_options == whole.runtime_options);
        CHECK(found.snapshotter == "native");
        CHECK(found.snapshot_key == "key");
        CHECK(found.extensions == whole.extensions);
        CHECK(found.sandbox == "s");
        CHECK(found.created == found.updated);
        CHECK(found.created > Time{});
    }

    TEST_CASE("list with filters") {
        Place place;
        for (int i = 0; i < 4; ++i) {
            Container one = container(cat("container-", i));
            one.labels = {{i % 2 == 0 ? "even" : "odd", "true"}};
            one.image = cat("image-", i % 2);
            place.containers.create(one);
        }
        const auto count = [&](const std::vector<std::string>& filters) {
            const Filter filter = Filter::parse(filters);
            std::size_t found = 0;
            for (const Container& one : place.containers.list())
                found += filter.matches(fields(one)) ? 1U : 0U;
            return found;
        };
        CHECK(count({}) == 4);
        CHECK(count({"labels.even==true"}) == 2);
        CHECK(count({"id==container-0", "labels.odd"}) == 3);
        CHECK(count({"runtime.name==testruntime"}) == 4);
        CHECK(count({"runtime.name==other"}) == 0);
        CHECK(count({"image==image-0"}) == 2);
    }

    TEST_CASE("update by field path") {
        Place place;
        Container first = container("c");
        first.labels = {{"foo", "one"}, {"bar", "two"}};
        first.extensions = {{"hello", "1"}, {"bye", "2"}};
        first.snapshotter = "native";
        place.containers.create(first);
        Container wish = container("c");
        wish.labels = {{"bar", "baz"}, {"new", "x"}};
        wish.extensions = {{"hello", "9"}};
        wish.spec = "{\"a\":1}";
        wish.image = "i";
        wish.snapshot_key = "k";
        wish.snapshotter = "native";

        Container changed = place.containers.update(wish, {"labels.bar", "labels.foo"});
        CHECK(changed.labels == oci::Labels{{"bar", "baz"}});
        CHECK(changed.spec == "{}");
        CHECK(changed.updated > changed.created);
        changed = place.containers.update(wish, {"extensions.hello"});
        CHECK(changed.extensions == std::map<std::string, std::string>{{"hello", "9"}, {"bye", "2"}});
        changed = place.containers.update(wish, {"extensions.bye", "image", "snapshotkey"});
        CHECK(changed.extensions == wish.extensions);
        CHECK(changed.image == "i");
        CHECK(changed.snapshot_key == "k");
        changed = place.containers.update(wish, {});
        CHECK(changed.labels == wish.labels);
        CHECK(changed.spec == wish.spec);
        CHECK(kind_of([&] { place.containers.update(wish, {"runtime"}); }) == ErrorKind::invalid_argument);
        wish.runtime_name = "other";
        CHECK(kind_of([&] { place.containers.update(wish, {}); }) == ErrorKind::invalid_argument);
        wish = container("c");
        CHECK(kind_of([&] { place.containers.update(wish, {}); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { place.containers.update(wish, {"spec"}); }) == std::nullopt);
        wish.spec = "";
        CHECK(kind_of([&] { place.containers.update(wish, {"spec"}); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { place.containers.update(container("d"), {}); }) == ErrorKind::not_found);
        CHECK(place.containers.get("c").spec == "{}");
    }

    TEST_CASE("remove: twice is not found") {
        Place place;
        place.containers.create(container("c"));
        place.containers.remove("c", false);
        CHECK(kind_of([&] { place.containers.remove("c", false); }) == ErrorKind::not_found);
    }
}
