// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "unit/archive/tar_builder.hpp"

using namespace lade;
using namespace lade::archive;
using test::TarBuilder;

namespace {

struct Read {
    Entry entry;
    std::string data;
};

std::vector<Read> read_all(const std::string& tar) {
    StringSource source(tar);
    TarReader reader(source);
    std::vector<Read> all;
    while (auto entry = reader.next()) {
        Read one{.entry = *entry, .data = std::string(entry->type == EntryType::file ? entry->size : 0, '\0')};
        for (auto bytes = reader.data(); !bytes.empty(); bytes = reader.data())
            one.data.replace(reader.position(), bytes.size(), as_text(bytes));
        all.push_back(std::move(one));
    }
    CHECK(reader.bytes() == tar.size());
    return all;
}

std::optional<ErrorKind> refused(const std::string& tar) {
    try {
        StringSource source(tar);
        TarReader reader(source);
        while (reader.next()) {
        }
    } catch (const Error& error) {
        return error.kind();
    }
    return std::nullopt;
}

std::string pax_file(const std::string& records) {
    return TarBuilder().pax(records).file("f", "data").str();
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("types, names, numbers and data of plain headers") {
        const auto all = read_all(
            TarBuilder()
                .dir("d/", 02755)
                .add({.name = "d/f", .data = std::string(1000, 'x'), .mode = 04711, .uid = 4'000'000, .gid = 7})
                .symlink("target", "s")
                .link("d/f", "h")
                .add({.type = '3', .name = "c", .major = 1, .minor = 3})
                .add({.type = '\0', .name = "old/"})
                .add({.type = '7', .name = "contiguous", .data = "x"})
                .str());
        REQUIRE(all.size() == 7);
        CHECK(all[0].entry.type == EntryType::directory);
        CHECK(all[0].entry.mode == 02755);
        CHECK(all[1].entry.mode == 04711);
        CHECK(all[1].entry.uid == 4'000'000);
        CHECK(all[1].data == std::string(1000, 'x'));
        CHECK(all[1].entry.mtime.seconds == 1'600'000'000);
        CHECK(all[2].entry.link == "target");
        CHECK(all[3].entry.type == EntryType::hard_link);
        CHECK(all[4].entry.minor == 3);
        CHECK(all[5].entry.type == EntryType::directory);
        CHECK(all[6].data == "x");
    }

    TEST_CASE("extended headers win over the next entry and over no other") {
        const auto all =
            read_all(TarBuilder()
                         .pax(TarBuilder::record("path", "longer/name") + TarBuilder::record("mtime", "1500000000.25") +
                              TarBuilder::record("uid", "123456789") +
                              TarBuilder::record("SCHILY.xattr.user.k", std::string("v\0w", 3)) +
                              TarBuilder::record("comment", "") + TarBuilder::record("gid", ""))
                         .file("f", "1")
                         .file("g", "2")
                         .str());
        REQUIRE(all.size() == 2);
        CHECK(all[0].entry.name == "longer/name");
        CHECK(all[0].entry.mtime.nanoseconds == 250'000'000);
        CHECK(all[0].entry.uid == 123'456'789);
        CHECK(all[0].entry.xattrs.at("user.k") == std::string("v\0w", 3));
        CHECK(all[1].entry.name == "g");
        CHECK(all[1].entry.uid == 0);
    }

    TEST_CASE("a global header creates nothing and says nothing about entries") {
        const auto all = read_all(TarBuilder().pax(TarBuilder::record("path", "other"), 'g').file("f").str());
        REQUIRE(all.size() == 1);
        CHECK(all[0].entry.name == "f");
    }

    TEST_CASE("names are bytes: no normalisation, no charset") {
        for (const std::string name : {"cafe\u0301", "caf\u00e9", "\xff\xfe"}) {
            CHECK(read_all(TarBuilder().file(name).str())[0].entry.name == name);
            CHECK(read_all(TarBuilder().pax(TarBuilder::record("path", name)).file("x").str())[0].entry.name == name);
        }
    }

    TEST_CASE("long names: ustar prefix and GNU") {
        std::string block = TarBuilder::header({.name = "leaf"});
        TarBuilder::put(block, 345, "some/prefix");
        TarBuilder::checksum(block);
        CHECK(read_all(TarBuilder().raw(block).str())[0].entry.name == "some/prefix/leaf");
        const std::string name = std::string(150, 'n') + "/" + std::string(150, 'm');
        CHECK(read_all(TarBuilder().file(name).str())[0].entry.name == name);
        CHECK(read_all(TarBuilder().symlink(name, "s").str())[0].entry.link == name);
    }

    TEST_CASE("times outside 0 to 2^63 ns are the epoch; the access time is not before the other") {
        for (const std::string time : {"-1", "-0.5", "9300000000", "99999999999999"})
            CHECK(read_all(pax_file(TarBuilder::record("mtime", time)))[0].entry.mtime.seconds == 0);
        const auto entry =
            read_all(pax_file(TarBuilder::record("mtime", "20.5") + TarBuilder::record("atime", "10")))[0].entry;
        CHECK(entry.atime.seconds == 20);
        CHECK(entry.atime.nanoseconds == 500'000'000);
    }

    TEST_CASE("sparse files in all forms have their holes back") {
        const std::string want = std::string("ab") + std::string(1022, '\0') + "cd" + std::string(474, '\0');
        const auto check = [&](const std::string& tar) {
            const auto all = read_all(tar);
            REQUIRE(all.size() == 2);
            CHECK(all[0].entry.name == "sparse");
            CHECK(all[0].entry.size == want.size());
            CHECK(all[0].data == want);
            CHECK(all[1].entry.name == "next");
        };
        const auto r = TarBuilder::record;
        check(TarBuilder()
                  .pax(r("GNU.sparse.major", "0") + r("GNU.sparse.minor", "0") + r("GNU.sparse.size", "1500") +
                       r("GNU.sparse.name", "sparse") + r("GNU.sparse.offset", "0") + r("GNU.sparse.numbytes", "2") +
                       r("GNU.sparse.offset", "1024") + r("GNU.sparse.numbytes", "2"))
                  .file("x", "abcd")
                  .file("next")
                  .str());
        check(
            TarBuilder()
                .pax(r("GNU.sparse.map", "0,2,1024,2") + r("GNU.sparse.size", "1500") + r("GNU.sparse.name", "sparse"))
                .file("x", "abcd")
                .file("next")
                .str());
        check(TarBuilder()
                  .pax(r("GNU.sparse.major", "1") + r("GNU.sparse.minor", "0") + r("GNU.sparse.realsize", "1500") +
                       r("GNU.sparse.name", "sparse"))
                  .file("x", TarBuilder::padded("2\n0\n2\n1024\n2\n") + "abcd")
                  .file("next")
                  .str());
        std::string old = TarBuilder::header({.type = 'S', .name = "sparse", .data = "abcd"});
        TarBuilder::put(old, 257, std::string("ustar  \0", 8));
        TarBuilder::number(old, 386, 12, 0);
        TarBuilder::number(old, 398, 12, 2);
        TarBuilder::number(old, 410, 12, 1024);
        TarBuilder::number(old, 422, 12, 2);
        TarBuilder::number(old, 483, 12, 1500);
        TarBuilder::checksum(old);
        check(TarBuilder().raw(old + TarBuilder::padded("abcd")).file("next").str());
    }

    TEST_CASE("malformed headers are refused, not skipped") {
        const auto r = TarBuilder::record;
        std::string wrong_sum = TarBuilder().file("f").str();
        wrong_sum[0] = 'g';
        std::string no_number = TarBuilder::header({.name = "f"});
        TarBuilder::put(no_number, 124, "garbage");
        TarBuilder::checksum(no_number);
        for (const std::string& tar :
             {wrong_sum,
              TarBuilder().raw(no_number).str(),
              pax_file("garbage"),
              pax_file("5 a=b\n"),
              pax_file("99 path=x\n"),
              pax_file("7 =abc\n"),
              pax_file(r("mtime", "garbage")),
              pax_file(r("mtime", "1.2.3")),
              pax_file(r("size", "-1")),
              pax_file(r("size", "9999999999999999999")),
              pax_file(r("path", std::string("a\0b", 3))),
              pax_file(r("GNU.sparse.map", "0,9,5,1") + r("GNU.sparse.size", "100")),
              pax_file(r("GNU.sparse.map", "0,4,100,1") + r("GNU.sparse.size", "50")),
              pax_file(r("GNU.sparse.map", "0,1,2") + r("GNU.sparse.size", "50")),
              pax_file(r("GNU.sparse.numbytes", "1")),
              TarBuilder().file("a").raw(std::string(512, '\0')).file("b").str(),
              TarBuilder().add({.type = 'z', .name = "f"}).str(),
              TarBuilder().add({.name = "f", .uid = 0xffffffff}).str(),
              TarBuilder().add({.name = "f", .uid = std::uint64_t{1} << 32U}).str(),
              TarBuilder().add({.type = '3', .name = "f", .major = std::uint64_t{1} << 32U}).str(),
              TarBuilder().pax(std::string(2'000'000, 'x')).file("f").str()}) {
            const auto kind = refused(tar);
            REQUIRE(kind);
            CHECK(*kind == ErrorKind::invalid_argument);
        }
    }

    TEST_CASE("a stream that ends early is refused, wherever it ends") {
        const std::string tar =
            TarBuilder().file("f", std::string(700, 'x')).pax(TarBuilder::record("path", "g")).file("x", "y").open();
        for (std::size_t size = 1; size < tar.size(); ++size) {
            // Between two entries, in the padding or right behind the data: an archive without an end marker, as Go
            // reads it.
            const bool between = (size >= 512 + 700 && size <= 512 + 1024) || size > tar.size() - 512;
            CAPTURE(size);
            CHECK(refused(tar.substr(0, size)).has_value() != between);
        }
    }

    TEST_CASE("what follows the end marker is read to its end") {
        const std::string tar = TarBuilder().file("f").str() + std::string(50'000, '\0') + "garbage";
        StringSource source(tar);
        TarReader reader(source);
        REQUIRE(reader.next());
        REQUIRE_FALSE(reader.next());
        CHECK(reader.bytes() == tar.size());
    }
}
