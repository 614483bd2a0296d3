// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.hpp"
#include "store/blobs.hpp"
#include "store/gc.hpp"
#include "store/images.hpp"
#include "store/snapshots.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;

namespace {

struct Place {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};

    oci::Descriptor add(const std::string& text, LeaseHold& lease, const std::string& name_space = "default") {
        const oci::Descriptor descriptor{.media_type = "t", .digest = oci::Digest::of(text), .size = text.size()};
        BlobWriter writer = Blobs(store, name_space).ingest("ref-" + text, descriptor, lease, {});
        writer.write(as_bytes(text));
        writer.commit({.size = descriptor.size, .digest = descriptor.digest, .labels = {}});
        return descriptor;
    }
    std::size_t files() const {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& file :
             std::filesystem::directory_iterator(dir.path("store/content/blobs/sha256")))
            ++count;
        return count;
    }
};

} // namespace

TEST_SUITE("store") {
    TEST_CASE("a blob lives as long as its lease, and then as long as its image") {
        Place place;
        oci::Descriptor kept{.media_type = "t", .digest = oci::Digest::of(""), .size = 0};
        {
            LeaseHold lease(place.store, "default");
            kept = place.add("kept", lease);
            place.add("lost", lease);
            CHECK(collect(place.store, Mode::remove, {}).content.empty());
            Images(place.store, "default").put({.name = "i", .target = kept, .labels = {}});
        }
        const Collected dry = collect(place.store, Mode::dry_run, {});
        CHECK(dry.content.size() == 1);
        CHECK(dry.bytes == 4);
        CHECK(place.files() == 2);
        const Collected real = collect(place.store, Mode::remove, {});
        CHECK(real.content.size() == 1);
        CHECK(real.bytes == dry.bytes);
        CHECK(place.files() == 1);
        CHECK(read_text(Blobs(place.store, "default").open(kept.digest).get(), 100, "blob") == "kept");
    }

    TEST_CASE("a shared file stays while any namespace has it") {
        Place place;
        LeaseHold other(place.store, "other");
        {
            LeaseHold lease(place.store, "default");
            const oci::Descriptor blob = place.add("shared", lease);
            CHECK(Blobs(place.store, "other").adopt(blob, {}, other, {}));
            oci::Descriptor wrong = blob;
            wrong.size = 7;
            CHECK_THROWS_AS(Blobs(place.store, "other").adopt(wrong, {}, other, {}), Error);
        }
        CHECK(collect(place.store, Mode::remove, {}).content.size() == 1);
        CHECK(place.files() == 1);
    }

    TEST_CASE("spoilt bytes are not kept") {
        Place place;
        LeaseHold lease(place.store, "default");
        const oci::Descriptor descriptor{.media_type = "t", .digest = oci::Digest::of("right"), .size = 5};
        BlobWriter writer = Blobs(place.store, "default").ingest("r", descriptor, lease, {});
        writer.write(as_bytes("wrong"));
        CHECK_THROWS_AS(writer.commit({.size = 5, .digest = descriptor.digest, .labels = {}}), Error);
        CHECK(Blobs(place.store, "default").active().empty());
        CHECK(place.files() == 0);
    }

    TEST_CASE("extractions become a chain at once, and a chain that is there already wins") {
        if (::geteuid() != 0)
            return;
        Place place;
        LeaseHold lease(place.store, "default");
        Snapshots snapshots(place.store, "default", "native");
        const auto chain = oci::chain_ids({{oci::Digest::of("a")}, {oci::Digest::of("b")}});
        std::vector<Snapshots::Extraction> first;
        std::vector<Snapshots::Extraction> second;
        for (auto* extractions : {&first, &second})
            for (const oci::ChainId& id : chain) {
                std::vector<snapshot::Id> below;
                if (!extractions->empty())
                    below.push_back(extractions->back().stack.id);
                extractions->push_back(snapshots.prepare(id, below, lease, {}));
            }
        snapshots.commit(first, "", lease, {});
        snapshots.commit(second, "", lease, {});
        CHECK(snapshots.list().size() == 2);
        CHECK(snapshots.get(chain[1].string()).parent == chain[0].string());
        CHECK(snapshots.kind().list().size() == 2);
        CHECK(collect(place.store, Mode::remove, {}).snapshots.empty());
    }

    TEST_CASE("two stores on one directory see one truth") {
        Place place;
        Store again(place.dir.path("store"), Sync::none);
        LeaseHold lease(place.store, "default");
        const oci::Descriptor blob = place.add("x", lease);
        CHECK(Blobs(again, "default").find(blob.digest));
        CHECK(collect(again, Mode::remove, {}).content.empty());
    }
}
