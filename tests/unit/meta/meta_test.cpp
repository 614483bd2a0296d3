// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <thread>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "meta/content.hpp"
#include "meta/fields.hpp"
#include "meta/images.hpp"
#include "meta/leases.hpp"
#include "meta/namespaces.hpp"
#include "meta/references.hpp"
#include "meta/schema.hpp"
#include "meta/snapshots.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::meta;
using lade::test::kind_of;

namespace {

struct Place {
    test::TemporaryDirectory dir;
    Database database{dir.path("meta.db"), false};
    Place() {
        migrate(database);
        Namespaces(database).ensure("default");
    }
};

const oci::Digest one = oci::Digest::of("one");
const oci::Digest two = oci::Digest::of("two");

std::vector<std::string> roots_and_reached(Database& database) {
    Graph graph;
    read_references(database, graph, now(), [](const Lease& lease) { return lease.id != "dead"; });
    const std::vector<bool> reached = graph.reachable();
    std::vector<std::string> kept;
    for (std::uint32_t i = 0; i < reached.size(); ++i)
        if (reached[i])
            kept.push_back(graph[i].key);
    std::ranges::sort(kept);
    return kept;
}

} // namespace

TEST_SUITE("meta") {
    TEST_CASE("the database is for its owner alone") {
        Place place;
        struct stat st {};
        REQUIRE(::stat(place.dir.path("meta.db").c_str(), &st) == 0);
        CHECK((st.st_mode & 07777U) == 0600);
    }

    TEST_CASE("migrating again changes nothing, a newer store is refused with its version") {
        Place place;
        migrate(place.database);
        place.database.execute("PRAGMA user_version = 99");
        try {
            migrate(place.database);
            FAIL("was accepted");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::failed_precondition);
            CHECK(error.message().find("99") != std::string::npos);
        }
    }

    TEST_CASE("a file that is no database is data loss") {
        const test::TemporaryDirectory dir;
        write_all(open_at(AT_FDCWD, dir.path("meta.db"), O_WRONLY | O_CREAT, 0600).get(),
                  as_bytes(std::string(8192, 'x')), "meta.db");
        CHECK(kind_of([&] { Database(dir.path("meta.db"), false); }) == ErrorKind::data_loss);
    }

    TEST_CASE("a wait for another process ends with the stop") {
        const test::TemporaryDirectory dir;
        Database other(dir.path("meta.db"), false);
        const Transaction held(other);
        std::stop_source stop;
        Database database(dir.path("meta.db"), false, {}, stop.get_token());
        std::thread asker([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            stop.request_stop();
        });
        const auto begin = std::chrono::steady_clock::now();
        CHECK(kind_of([&] { const Transaction transaction(database); }) == ErrorKind::cancelled);
        CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
        asker.join();
    }

    TEST_CASE("a transaction that is not committed leaves nothing") {
        Place place;
        {
            Transaction transaction(place.database);
            Namespaces(place.database).ensure("other");
        }
        CHECK_FALSE(Namespaces(place.database).find("other"));
    }

    TEST_CASE("threads take turns") {
        Place place;
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (int i = 0; i < 50; ++i) {
                    Transaction transaction(place.database);
                    Namespaces(place.database).ensure(lade::cat("n", t * 100 + i));
                    transaction.commit();
                }
            });
        for (std::thread& thread : threads)
            thread.join();
        CHECK(Namespaces(place.database).list().size() == 201);
    }

    TEST_CASE("namespaces: names, labels, emptiness") {
        Place place;
        Namespaces namespaces(place.database);
        namespaces.create("swarmkit.docker.io", {{"a", "1"}});
        CHECK(kind_of([&] { namespaces.create("swarmkit.docker.io", {}); }) == ErrorKind::already_exists);
        for (const char* bad : {"", ".foo..foo", "foo/foo", "foo..foo", "foo.-boo", "-foo", "foo-", "a__b", "a--b"})
            CHECK(kind_of([&] { namespaces.create(bad, {}); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { namespaces.create(std::string(77, 'a'), {}); }) == ErrorKind::invalid_argument);
        CHECK_NOTHROW(namespaces.create(std::string(76, 'a'), {}));
        namespaces.label("swarmkit.docker.io", {{"a", ""}, {"b", "2"}});
        CHECK(namespaces.find("swarmkit.docker.io")->labels == oci::Labels{{"b", "2"}});
        Leases(place.database, "default").create({.id = "l", .owner_lock = {}, .labels = {}, .created = {}});
        CHECK(kind_of([&] { namespaces.remove("default"); }) == ErrorKind::failed_precondition);
        CHECK(namespaces.remove("swarmkit.docker.io"));
        CHECK_FALSE(namespaces.remove("swarmkit.docker.io"));
    }

    TEST_CASE("an image is created, updated, keeps the labels it had, and goes") {
        Place place;
        Images images(place.database, "default");
        Image image{.name = "i", .target = {.media_type = "t", .digest = one, .size = 3}, .labels = {{"user", "1"}}};
        images.put(image);
        const Time created = images.find("i")->created;
        image.target.digest = two;
        image.labels = {{"new", "2"}};
        images.put(image);
        const auto found = images.find("i");
        CHECK(found->target.digest == two);
        CHECK(found->labels == oci::Labels{{"new", "2"}, {"user", "1"}});
        CHECK(found->created == created);
        CHECK(found->updated > created);
        CHECK(images.list().size() == 1);
        CHECK(Images(place.database, "other").list().empty());
        CHECK(images.remove("i"));
        CHECK_FALSE(images.remove("i"));
        image.target.size = 0;
        CHECK(kind_of([&] { images.put(image); }) == ErrorKind::invalid_argument);
        image.target.size = 1;
        image.labels = {{"k", std::string(4096, 'v')}};
        CHECK(kind_of([&] { images.put(image); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("content is a namespace's own right to a shared blob") {
        Place place;
        Namespaces(place.database).ensure("other");
        Content mine(place.database, "default");
        Content other(place.database, "other");
        mine.put(one, 3, {{"a", "1"}});
        CHECK(mine.find(one)->labels == oci::Labels{{"a", "1"}});
        CHECK_FALSE(other.find(one));
        CHECK(other.shared_size(one) == 3);
        other.put(one, 3, {});
        CHECK(mine.remove(one));
        CHECK_FALSE(mine.find(one));
        CHECK(other.find(one));
        CHECK_FALSE(mine.label(one, {{"x", "y"}}));
    }

    TEST_CASE("snapshots: kinds, parents, and the errors of 6.2") {
        Place place;
        Snapshots snapshots(place.database, "default", "overlayfs");
        const auto id = snapshots.create("a", "", SnapshotKind::active, {});
        CHECK(kind_of([&] { snapshots.create("a", "", SnapshotKind::view, {}); }) == ErrorKind::already_exists);
        CHECK(kind_of([&] { snapshots.create("b", "none", SnapshotKind::active, {}); }) == ErrorKind::not_found);
        CHECK(kind_of([&] { snapshots.create("b", "a", SnapshotKind::active, {}); }) == ErrorKind::invalid_argument);
        snapshots.commit("a", "base", "", {{"l", "1"}});
        CHECK_FALSE(snapshots.find("a"));
        CHECK(snapshots.find("base")->kind == SnapshotKind::committed);
        CHECK(kind_of([&] { snapshots.commit("base", "x", "", {}); }) == ErrorKind::failed_precondition);
        CHECK(kind_of([&] { snapshots.commit("none", "x", "", {}); }) == ErrorKind::not_found);
        const auto child = snapshots.create("c", "base", SnapshotKind::active, {});
        CHECK(child > id);
        CHECK(snapshots.parents("c") == std::vector<std::int64_t>{id});
        CHECK(kind_of([&] { snapshots.remove("base"); }) == ErrorKind::failed_precondition);
        CHECK(snapshots.remove("c") == child);
        CHECK(snapshots.remove("base") == id);
        CHECK(kind_of([&] { snapshots.remove("base"); }) == ErrorKind::not_found);
        CHECK(snapshots.create("d", "", SnapshotKind::active, {}) > child);
        CHECK(Snapshots(place.database, "default", "native").list().empty());
    }

    TEST_CASE("leases hold each thing once") {
        Place place;
        Leases leases(place.database, "default");
        leases.create({.id = "l", .owner_lock = {}, .labels = {{"gone", ""}}, .created = {}});
        CHECK(kind_of([&] { leases.create({.id = "l", .owner_lock = {}, .labels = {}, .created = {}}); }) ==
              ErrorKind::already_exists);
        CHECK(leases.list()[0].labels.empty());
        leases.add("l", {.type = "content", .key = one.string()});
        CHECK_NOTHROW(leases.add("l", {.type = "content", .key = one.string()}));
        CHECK(kind_of([&] { leases.add("none", {.type = "content", .key = "x"}); }) == ErrorKind::not_found);
        CHECK(leases.remove("l"));
        CHECK_FALSE(leases.remove("l"));
    }

    TEST_CASE("references: images, labels, parents, leases keep; the rest is garbage") {
        Place place;
        Content content(place.database, "default");
        const oci::Digest manifest = oci::Digest::of("manifest");
        const oci::Digest config = oci::Digest::of("config");
        const oci::Digest lonely = oci::Digest::of("lonely");
        const oci::Digest pinned = oci::Digest::of("pinned");
        content.put(manifest, 1,
                    {{"containerd.io/gc.ref.content.config", config.string()},
                     {"containerd.io/gc.ref.contentbad", lonely.string()}});
        content.put(config, 1, {{"containerd.io/gc.ref.snapshot.overlayfs", "top"}});
        content.put(lonely, 1, {});
        content.put(pinned, 1, {{"containerd.io/gc.root", "yes"}});
        content.put(one, 1, {});
        content.put(two, 1, {});
        Images(place.database, "default")
            .put({.name = "image", .target = {.media_type = "t", .digest = manifest, .size = 1}, .labels = {}});
        Snapshots snapshots(place.database, "default", "overlayfs");
        snapshots.create("a", "", SnapshotKind::active, {});
        snapshots.commit("a", "base", "", {});
        snapshots.create("b", "base", SnapshotKind::active, {});
        snapshots.commit("b", "top", "base", {});
        snapshots.create("garbage", "base", SnapshotKind::active, {});
        Leases leases(place.database, "default");
        leases.create({.id = "live", .owner_lock = {}, .labels = {}, .created = {}});
        leases.create({.id = "dead", .owner_lock = {}, .labels = {}, .created = {}});
        leases.add("live", {.type = "content", .key = one.string()});
        leases.add("dead", {.type = "content", .key = two.string()});
        content.put_ingest({.ref = "fresh", .expected = {}, .expires = now() + std::chrono::hours(1)});
        content.put_ingest({.ref = "stale", .expected = {}, .expires = now() - std::chrono::hours(1)});
        std::vector<std::string> expected{"base",          "fresh",           "image",      "live",         "top",
                                          config.string(), manifest.string(), one.string(), pinned.string()};
        std::ranges::sort(expected);
        CHECK(roots_and_reached(place.database) == expected);
    }

    TEST_CASE("a summary lasts as long as any image has its target") {
        Place place;
        Summaries summaries(place.database);
        const Summary summary{.config = two, .size = 5, .platforms = {"linux/amd64", "linux/arm/v7"}};
        summaries.put(one, "linux/amd64", summary);
        CHECK_FALSE(summaries.find(one, "linux/amd64"));
        Namespaces(place.database).ensure("other");
        Images images(place.database, "default");
        Images others(place.database, "other");
        const Image image{.name = "i", .target = {.media_type = "t", .digest = one, .size = 1}, .labels = {}};
        images.put(image);
        others.put(image);
        summaries.put(one, "linux/amd64", summary);
        summaries.put(one, "linux/arm64", {.config = std::nullopt, .size = 7, .platforms = {}});
        const auto found = summaries.find(one, "linux/amd64");
        REQUIRE(found);
        CHECK((found->config == two && found->size == 5 && found->platforms == summary.platforms));
        const auto without = summaries.find(one, "linux/arm64");
        REQUIRE(without);
        CHECK((!without->config && without->platforms.empty()));
        images.remove("i");
        CHECK(summaries.find(one, "linux/amd64"));
        Image moved = image;
        moved.target.digest = two;
        others.put(moved);
        CHECK_FALSE(summaries.find(one, "linux/amd64"));
        CHECK_FALSE(summaries.find(one, "linux/arm64"));
    }

    TEST_CASE("a listing has the summary only where the namespace has what it was made of") {
        Place place;
        Images images(place.database, "default");
        images.put({.name = "i", .target = {.media_type = "t", .digest = one, .size = 1}, .labels = {}});
        Summaries(place.database).put(one, "p", {.config = two, .size = 5, .platforms = {}});
        const auto summary = [&] { return images.list("p").at(0).summary; };
        CHECK_FALSE(summary());
        Content content(place.database, "default");
        content.put(one, 1, {});
        CHECK_FALSE(summary());
        content.put(two, 1, {});
        CHECK(summary());
        CHECK_FALSE(images.list("q").at(0).summary);
        CHECK(images.list_by_digest(two.string().substr(0, 12), "p").size() == 1);
        CHECK(images.list_by_digest(one.string(), "p").size() == 1);
        CHECK(images.list_by_digest(oci::Digest::of("x").string(), "p").empty());
        content.remove(one);
        CHECK_FALSE(summary());
        CHECK(images.list_by_digest(oci::Digest::of("x").string(), "p").size() == 1);
    }

    TEST_CASE("fields of an image: what its documents say is asked for only when it is needed") {
        const Image image{.name = "i", .target = {.media_type = "t", .digest = one, .size = 1}, .labels = {{"a", "b"}}};
        int asked = 0;
        Summary summary{.config = two, .size = 5, .platforms = {}};
        const Adaptor adaptor = fields(image, [&]() -> const Summary* { return ++asked, &summary; });
        CHECK(adaptor({"labels", "a"}) == FieldValue("b"));
        CHECK(asked == 0);
        CHECK(adaptor({"size"}) == FieldValue(std::uint64_t{5}));
        CHECK(adaptor({"id"}) == FieldValue(two.string()));
        CHECK(asked == 2);
        summary.config.reset();
        CHECK_FALSE(adaptor({"id"}));
        CHECK_FALSE(fields(image, []() -> const Summary* { return nullptr; })({"size"}));
    }

    TEST_CASE("without waiting a database that is held is unavailable at once") {
        const test::TemporaryDirectory dir;
        Database other(dir.path("meta.db"), false);
        Database database(dir.path("meta.db"), false);
        std::optional<Transaction> held;
        held.emplace(other);
        {
            const NoWaiting impatient(database);
            CHECK(kind_of([&] { const Transaction transaction(database); }) == ErrorKind::unavailable);
        }
        held.reset();
        const Transaction transaction(database);
    }
}
