// SPDX-License-Identifier: Apache-2.0
// The lease cases of containerd's metadata suite (containerd-store.md 2.8, 2.11). Those about content and ingests under
// a lease stand with the content store.
#include <doctest/doctest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/filter.hpp"
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
    Leases leases{store, "default"};

    void make(const std::string& id, const oci::Labels& labels = {}) {
        leases.create({.id = id, .owner_lock = std::nullopt, .labels = labels, .created = {}});
    }
    std::vector<std::string> ids(const std::string& filter = "") {
        const Filter wanted = Filter::parse({filter});
        std::vector<std::string> found;
        for (const Lease& lease : leases.list())
            if (wanted.matches(fields(lease)))
                found.push_back(lease.id);
        return found;
    }
    std::vector<std::string> held(const std::string& id) {
        std::vector<std::string> found;
        for (const LeaseResource& one : leases.resources(id))
            found.push_back(one.type + " " + one.key);
        return found;
    }
};

using Texts = std::vector<std::string>;

} // namespace

TEST_SUITE("leases") {
    TEST_CASE("create, list and delete") {
        Place place;
        place.make("tx1");
        CHECK(kind_of([&] { place.make("tx1"); }) == ErrorKind::already_exists);
        place.make("tx2");
        CHECK(place.ids() == Texts{"tx1", "tx2"});
        for (const Lease& lease : place.leases.list())
            CHECK(lease.created == place.leases.get(lease.id).created);
        CHECK(place.leases.remove("tx1"));
        CHECK_FALSE(place.leases.remove("tx1"));
        CHECK(place.ids() == Texts{"tx2"});
        CHECK(kind_of([&] { place.make(""); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("an id may be anything") {
        Place place;
        for (const char* id : {"a/b", "..", " ", "-x", "\xff"})
            CHECK_NOTHROW(place.make(id));
    }

    TEST_CASE("list: an empty label is not stored") {
        Place place;
        place.make("lease1", {{"label1", "value1"}, {"label3", "other"}});
        place.make("lease2", {{"label1", "value1"}, {"label2", ""}, {"label3", "other"}});
        place.make("lease3", {{"label1", "value1"}, {"label2", "set"}});
        CHECK(place.ids() == Texts{"lease1", "lease2", "lease3"});
        CHECK(place.ids("labels.label2") == Texts{"lease3"});
        CHECK(place.ids("labels.label1==value1,labels.label3") == Texts{"lease1", "lease2"});
        CHECK(place.ids("id==lease2") == Texts{"lease2"});
        CHECK(place.ids("id~=lease[13]") == Texts{"lease1", "lease3"});
    }

    TEST_CASE("resources") {
        Place place;
        place.make("l1");
        const std::string digest = oci::Digest::of("x").string();
        const auto add = [&](const std::string& type, const std::string& key) {
            return kind_of([&] { place.leases.add("l1", {.type = type, .key = key}); });
        };
        CHECK_FALSE(add("content", digest));
        CHECK_FALSE(add("ingests", "ref-1"));
        CHECK_FALSE(add("ingests", "ref-1"));
        CHECK_FALSE(add("images", "docker.io/library/a:1"));
        CHECK_FALSE(add("snapshots/overlayfs", "sn1"));
        CHECK_FALSE(add("snapshots/native", "sn1"));
        CHECK(add("content", "sha256:short") == ErrorKind::invalid_argument);
        CHECK(add("snapshots", "sn1") == ErrorKind::invalid_argument);
        CHECK(add("snapshots/", "sn1") == ErrorKind::invalid_argument);
        CHECK(add("snapshots/overlayfs/type1", "sn1") == ErrorKind::invalid_argument);
        CHECK(add("images", "") == ErrorKind::invalid_argument);
        CHECK(add("leases", "xCAV3+PEPLcv6VMI") == ErrorKind::unimplemented);
        CHECK(add("containers", "c") == ErrorKind::unimplemented);
        CHECK(kind_of([&] { place.leases.add("l2", {.type = "images", .key = "x"}); }) == ErrorKind::not_found);
        CHECK(place.held("l1") == Texts{"content " + digest, "images docker.io/library/a:1", "ingests ref-1",
                                        "snapshots/native sn1", "snapshots/overlayfs sn1"});

        for (int i = 0; i < 2; ++i)
            CHECK_NOTHROW(place.leases.drop("l1", {.type = "snapshots/native", .key = "sn1"}));
        CHECK(kind_of([&] { place.leases.drop("l1", {.type = "leases", .key = "x"}); }) == ErrorKind::unimplemented);
        CHECK(kind_of([&] { place.leases.drop("l2", {.type = "images", .key = "x"}); }) == ErrorKind::not_found);
        CHECK(place.held("l1").size() == 4);
        CHECK(kind_of([&] { place.leases.resources("l2"); }) == ErrorKind::not_found);
    }

    TEST_CASE("leases of one namespace are not those of another") {
        Place place;
        place.make("l");
        Leases other(place.store, "other");
        CHECK(other.list().empty());
        CHECK_FALSE(other.remove("l"));
        CHECK_NOTHROW(other.create({.id = "l", .owner_lock = std::nullopt, .labels = {}, .created = {}}));
    }

    TEST_CASE("a command's lease tells whose it is, and lives as long as that") {
        Place place;
        Lease seen{.id = "", .owner_lock = std::nullopt, .labels = {}, .created = {}};
        {
            const LeaseHold hold(place.store, "default");
            seen = place.leases.list().at(0);
            CHECK(lives(place.store, seen, now() + std::chrono::hours(1000)));
            CHECK(owner_of(place.store, seen) == static_cast<std::uint64_t>(::getpid()));
        }
        CHECK(place.leases.list().empty());
        CHECK_FALSE(lives(place.store, seen, now()));
    }

    TEST_CASE("what a command makes is held by the lease of people too, what it works with is not") {
        Place place;
        place.make("mine");
        {
            LeaseHold hold(place.store, "default", "mine");
            hold.add({.type = "images", .key = "made"});
            hold.add_own({.type = "images", .key = "work"});
            hold.add({.type = "images", .key = "dropped"});
            hold.drop({.type = "images", .key = "dropped"});
            CHECK(place.leases.list().size() == 2);
        }
        CHECK(place.held("mine") == Texts{"images made"});
        CHECK(kind_of([&] { LeaseHold(place.store, "default", "none"); }) == ErrorKind::not_found);
        CHECK(place.ids() == Texts{"mine"});
    }
}
