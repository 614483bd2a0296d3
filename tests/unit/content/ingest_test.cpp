// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "content/ingest.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using content::Blobs;
using content::Ingest;

namespace {

struct Place {
    test::TemporaryDirectory dir;
    Blobs blobs{open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY)};

    Ingest open(const std::string& ref, std::uint64_t total = 0) {
        return Ingest::open(blobs, ref, total, oci::Algorithm::sha256, {});
    }
    std::string stored(const oci::Digest& digest) { return read_text(blobs.find(digest)->get(), 1 << 20, "blob"); }
};

} // namespace

TEST_SUITE("content") {
    TEST_CASE("bytes become a read-only blob and the ingest is gone") {
        Place place;
        const oci::Digest digest = oci::Digest::of("hello");
        Ingest ingest = place.open("layer-1", 5);
        ingest.write(as_bytes("hel"));
        ingest.write(as_bytes("lo"));
        ingest.verify({.size = 5, .digest = digest}, true, {});
        ingest.publish(place.blobs, digest, true);
        ingest.remove();
        CHECK(place.stored(digest) == "hello");
        CHECK(place.blobs.list() == std::vector<oci::Digest>{digest});
        CHECK(content::list_ingests(place.blobs).empty());
        struct stat st {};
        REQUIRE(::stat(place.dir.path("blobs/sha256/" + digest.hex()).c_str(), &st) == 0);
        CHECK((st.st_mode & 07777U) == 0444);
    }

    TEST_CASE("an interrupted ingest goes on where it stopped, verified anew") {
        Place place;
        const oci::Digest digest = oci::Digest::of("hello world");
        { place.open("layer", 11).write(as_bytes("hello ")); }
        const auto left = content::list_ingests(place.blobs);
        REQUIRE(left.size() == 1);
        CHECK(left[0].ref == "layer");
        CHECK(left[0].offset == 6);
        CHECK(left[0].total == 11);
        Ingest ingest = place.open("layer", 11);
        CHECK(ingest.offset() == 6);
        ingest.write(as_bytes("world"));
        CHECK_NOTHROW(ingest.verify({.size = 11, .digest = digest}, false, {}));
    }

    TEST_CASE("damage done to an ingest meanwhile is found") {
        Place place;
        { place.open("layer", 11).write(as_bytes("hello ")); }
        const std::string data = place.dir.path("ingest/" + content::ingest_name("layer") + "/data");
        write_all(open_at(AT_FDCWD, data, O_WRONLY).get(), as_bytes("J"), "data");
        Ingest ingest = place.open("layer", 11);
        ingest.write(as_bytes("world"));
        CHECK_THROWS_AS(ingest.verify({.size = 11, .digest = oci::Digest::of("hello world")}, false, {}), Error);
    }

    TEST_CASE("what an earlier boot left is good up to where it fits its checkpoints") {
        Place place;
        const std::string text(40 * mib, 'x');
        const auto leave = [&](std::uint64_t size, const std::string& boot) {
            {
                Ingest ingest = place.open("layer", text.size());
                while (ingest.offset() < size)
                    ingest.write(as_bytes(text).first(std::min<std::uint64_t>(mib, size - ingest.offset())));
            }
            const std::string folder = place.dir.path("ingest/" + content::ingest_name("layer"));
            const Fd directory = open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
            std::string notes = find_text(directory.get(), "checkpoints", mib).value_or("");
            if (!boot.empty())
                notes.replace(0, notes.find('\n'), boot);
            replace_file(directory.get(), "checkpoints", notes, 0644);
            return folder;
        };
        leave(35 * mib, "");
        CHECK(place.open("layer", text.size()).offset() == 35 * mib);
        leave(35 * mib, "another");
        CHECK(place.open("layer", text.size()).offset() == 32 * mib);
        // From there on it is of this boot again.
        const std::string folder = leave(33 * mib, "");
        CHECK(place.open("layer", text.size()).offset() == 33 * mib);
        const Fd data = open_at(AT_FDCWD, folder + "/data", O_WRONLY);
        REQUIRE(::pwrite(data.get(), "y", 1, 20 * mib) == 1);
        CHECK(place.open("layer", text.size()).offset() == 16 * mib);
        CHECK(place.open("layer", text.size()).digest() == oci::Digest::of(text.substr(0, 16 * mib)));
        REQUIRE(::ftruncate(data.get(), 10 * mib) == 0);
        CHECK(place.open("layer", text.size()).offset() == 0);
    }

    TEST_CASE("checkpoints go with the bytes they are of") {
        Place place;
        const std::string text(17 * mib, 'x');
        {
            Ingest ingest = place.open("layer");
            ingest.write(as_bytes(text));
            ingest.truncate(5, {});
            ingest.write(as_bytes("abc"));
        }
        CHECK(place.open("layer").offset() == 8);
        {
            Ingest ingest = place.open("layer");
            ingest.restart();
            ingest.write(as_bytes(text));
        }
        CHECK(place.open("layer").digest() == oci::Digest::of(text));
    }

    TEST_CASE("another total, or more bytes than it, starts over") {
        Place place;
        { place.open("layer", 11).write(as_bytes("hello ")); }
        CHECK(place.open("layer", 12).offset() == 0);
        { place.open("layer", 12).write(as_bytes("0123456789abcdef")); }
        CHECK(place.open("layer", 12).offset() == 0);
    }

    TEST_CASE("a wrong size or digest is data loss and names both") {
        Place place;
        Ingest ingest = place.open("layer");
        ingest.write(as_bytes("hello"));
        try {
            ingest.verify({.size = 6, .digest = oci::Digest::of("hello")}, false, {});
            FAIL("was accepted");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::data_loss);
            CHECK(error.message().find("5 bytes received, 6 expected") != std::string::npos);
        }
    }

    TEST_CASE("an ingest that is being written can be opened by nobody else, nor collected") {
        Place place;
        Ingest ingest = place.open("layer");
        std::stop_source source;
        source.request_stop();
        CHECK_THROWS_AS(Ingest::open(place.blobs, "layer", 0, oci::Algorithm::sha256, source.get_token()), Error);
        CHECK_FALSE(content::remove_dead_ingest(place.blobs, content::ingest_name("layer")));
    }

    TEST_CASE("a dead ingest can be collected") {
        Place place;
        { place.open("layer").write(as_bytes("x")); }
        CHECK(content::remove_dead_ingest(place.blobs, content::ingest_name("layer")));
        CHECK(content::list_ingests(place.blobs).empty());
    }

    TEST_CASE("a follower reads behind the writer and ends only after verification") {
        Place place;
        std::string text;
        for (int i = 0; i < 50'000; ++i)
            text += std::to_string(i);
        const oci::Digest digest = oci::Digest::of(text);
        Ingest ingest = place.open("layer", text.size());
        content::Follower follower = ingest.follow({});
        std::string seen;
        std::thread reader([&] {
            StringSink sink(text.size(), "copy");
            copy(follower, sink);
            seen = sink.take();
        });
        for (std::size_t at = 0; at < text.size(); at += 1000)
            ingest.write(as_bytes(std::string_view(text).substr(at, 1000)));
        ingest.verify({.size = text.size(), .digest = digest}, false, {});
        ingest.publish(place.blobs, digest, false);
        reader.join();
        CHECK(seen == text);
    }

    TEST_CASE("a follower of a writer that gave up fails") {
        Place place;
        auto ingest = std::make_unique<Ingest>(place.open("layer", 10));
        content::Follower follower = ingest->follow({});
        ingest->write(as_bytes("abc"));
        std::array<std::byte, 16> buffer{};
        CHECK(follower.read(buffer) == 3);
        ingest.reset();
        CHECK_THROWS_AS(follower.read(buffer), Error);
    }

    TEST_CASE("publishing what is there already changes nothing") {
        Place place;
        const oci::Digest digest = oci::Digest::of("x");
        for (const char* ref : {"one", "two"}) {
            Ingest ingest = place.open(ref);
            ingest.write(as_bytes("x"));
            ingest.verify({.size = 1, .digest = digest}, false, {});
            ingest.publish(place.blobs, digest, false);
            ingest.remove();
        }
        CHECK(place.stored(digest) == "x");
    }

    TEST_CASE("a file that is there already is linked, hashed, and never written to") {
        Place place;
        const std::string path = place.dir.path("file");
        replace_file(open_at(AT_FDCWD, place.dir.path(), O_RDONLY | O_DIRECTORY).get(), "file", "hello", 0444);
        const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
        struct stat source {};
        REQUIRE(::fstat(file.get(), &source) == 0);
        const oci::Digest digest = oci::Digest::of("hello");
        const auto text = [&] { return read_text(open_at(AT_FDCWD, path, O_RDONLY).get(), 100, "file"); };

        SUBCASE("it becomes the blob") {
            Ingest ingest = place.open("layer", 5);
            ingest.write(as_bytes("hexxx"));
            std::uint64_t told = 0;
            REQUIRE(ingest.link(file.get(), [&](std::uint64_t bytes) { told += bytes; }, {}));
            CHECK(told == 5);
            CHECK(ingest.digest() == digest);
            ingest.verify({.size = 5, .digest = digest}, true, {});
            ingest.publish(place.blobs, digest, true);
            ingest.remove();
            struct stat blob {};
            REQUIRE(::fstat(place.blobs.find(digest)->get(), &blob) == 0);
            CHECK(blob.st_ino == source.st_ino);
            CHECK(content::ingest_names(place.blobs).empty());
        }
        SUBCASE("whoever goes on with the ingest leaves it as it is") {
            {
                Ingest ingest = place.open("layer", 5);
                REQUIRE(ingest.link(file.get(), {}, {}));
            }
            Ingest ingest = place.open("layer", 5);
            CHECK(ingest.offset() == 0);
            ingest.write(as_bytes("other"));
            ingest.restart();
            ingest.discard();
        }
        SUBCASE("nor does one that is thrown away after all") {
            Ingest ingest = place.open("layer", 5);
            REQUIRE(ingest.link(file.get(), {}, {}));
            ingest.restart();
            ingest.write(as_bytes("later"));
            CHECK(ingest.digest() == oci::Digest::of("later"));
            ingest.remove();
        }
        SUBCASE("one that may be written to is not") {
            REQUIRE(::chmod(path.c_str(), 0644) == 0);
            Ingest ingest = place.open("layer", 5);
            ingest.write(as_bytes("he"));
            CHECK_FALSE(ingest.link(file.get(), {}, {}));
            CHECK(ingest.offset() == 2);
        }
        SUBCASE("one that has no name any more is not") {
            REQUIRE(::unlink(path.c_str()) == 0);
            Ingest ingest = place.open("layer", 5);
            CHECK_FALSE(ingest.link(file.get(), {}, {}));
            replace_file(open_at(AT_FDCWD, place.dir.path(), O_RDONLY | O_DIRECTORY).get(), "file", "hello", 0444);
        }
        CHECK(text() == "hello");
    }

    TEST_CASE("blocks are shared where the file system can, and nothing is lost where it cannot") {
        Place place;
        replace_file(open_at(AT_FDCWD, place.dir.path(), O_RDONLY | O_DIRECTORY).get(), "file", "hello", 0444);
        const Fd file = open_at(AT_FDCWD, place.dir.path("file"), O_RDONLY);
        Ingest ingest = place.open("layer");
        ingest.write(as_bytes("much longer"));
        if (ingest.clone(file.get(), {}, {})) {
            CHECK(ingest.digest() == oci::Digest::of("hello"));
            CHECK_NOTHROW(ingest.verify({.size = 5}, true, {}));
        } else {
            CHECK(ingest.digest() == oci::Digest::of("much longer"));
            ingest.write(as_bytes("!"));
            CHECK_NOTHROW(ingest.verify({.size = 12}, true, {}));
        }
    }
}
