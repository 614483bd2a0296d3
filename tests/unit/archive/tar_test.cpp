// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "unit/archive/tar_builder.hpp"

using namespace lade;
using namespace lade::archive;
using test::TarBuilder;
using test::TarEntry;

namespace {

const std::string gnu_magic("ustar  \0", 8);
const std::string star_trailer("tar\0", 4);

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

// One header with fields as a test wants them, in front of the data that its size field says.
struct Raw {
    TarEntry entry;
    std::vector<std::pair<std::size_t, std::string>> fields;

    std::string str() const {
        std::string block = TarBuilder::header(entry);
        for (const auto& [at, text] : fields)
            TarBuilder::put(block, at, text);
        TarBuilder::checksum(block);
        return block + TarBuilder::padded(entry.data);
    }
};

std::string gnu_extension(char type, const std::string& text) {
    return Raw{{.type = type, .name = "././@LongLink", .data = text}, {{257, gnu_magic}}}.str();
}

std::string describe(const Entry& entry) {
    static const std::string types = "fhscbdp";
    return cat(types.at(static_cast<std::size_t>(entry.type)), ' ', entry.name, entry.link.empty() ? "" : " -> ",
               entry.link, ' ', entry.size);
}

// "refused", or every entry.
std::string read_as(const std::string& tar) {
    std::string all;
    try {
        StringSource source(tar);
        TarReader reader(source);
        while (const auto entry = reader.next())
            all += (all.empty() ? "" : ", ") + describe(*entry);
    } catch (const Error& error) {
        return error.kind() == ErrorKind::invalid_argument ? "refused" : error.message();
    }
    return all;
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
                       r("GNU.sparse.name", "sparse") + r("GNU.sparse.numblocks", "2") + r("GNU.sparse.offset", "0") +
                       r("GNU.sparse.numbytes", "2") + r("GNU.sparse.offset", "1024") + r("GNU.sparse.numbytes", "2"))
                  .file("x", "abcd")
                  .file("next")
                  .str());
        check(TarBuilder()
                  .pax(r("GNU.sparse.numblocks", "2") + r("GNU.sparse.map", "0,2,1024,2") +
                       r("GNU.sparse.size", "1500") + r("GNU.sparse.name", "sparse"))
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

    TEST_CASE("what Go's archive/tar accepts is read as it reads it, and what it refuses is refused") {
        const auto r = TarBuilder::record;
        const auto x = [](const std::string& records, char type = 'x') {
            return TarBuilder().pax(records, type).open();
        };
        const auto raw = [](const TarEntry& entry, const std::vector<std::pair<std::size_t, std::string>>& fields) {
            return Raw{entry, fields}.str();
        };
        const std::string f = raw({.name = "f", .data = "1"}, {});
        const std::string star_prefix(131, 'p');
        const std::string blocks = r("GNU.sparse.numblocks", "1");
        struct Case {
            std::string what;
            std::string tar;
            std::string want;
        };
        const std::vector<Case> cases{
            {"a GNU name wins over path", gnu_extension('L', "gnu") + x(r("path", "pax")) + f, "f gnu 1"},
            {"in any order", x(r("path", "pax")) + gnu_extension('L', "gnu") + f, "f gnu 1"},
            {"an empty GNU name is none", gnu_extension('L', std::string(1, '\0')) + x(r("path", "pax")) + f,
             "f pax 1"},
            {"a GNU link wins over linkpath",
             x(r("linkpath", "pax")) + gnu_extension('K', "gnu") + raw({.type = '2', .name = "s", .link = "l"}, {}),
             "s s -> gnu 0"},
            {"the name of a sparse file wins over both",
             gnu_extension('L', "gnu") + x(blocks + r("GNU.sparse.map", "0,1") + r("GNU.sparse.name", "sparse")) + f,
             "f sparse 1"},
            {"the second x replaces the first", x(r("path", "a") + r("size", "0")) + x(r("path", "b")) + f, "f b 1"},
            {"an empty value is none", x(r("path", "a") + r("path", "")) + f, "f f 1"},
            {"g takes what was said before it", x(r("path", "a")) + x(r("comment", "c"), 'g') + f, "f f 1"},
            {"GNU names too", gnu_extension('L', "gnu") + x(r("comment", "c"), 'g') + f, "f f 1"},
            {"g says nothing about the next", x(r("path", "a"), 'g') + f, "f f 1"},
            {"g is checked all the same", x(r("uid", "?"), 'g') + f, "refused"},
            {"a number with a sign", x(r("uid", "+5")) + f, "f f 1"},
            {"a record length that is wrong", x("+9 path=n\n" + r("x", "y")) + f, "refused"},
            {"a record length with a sign", x("+11 path=n\n") + f, "f n 1"},
            {"two signs", x(r("uid", "+-5")) + f, "refused"},
            {"a time that nobody uses", x(r("ctime", "?")) + f, "refused"},
            {"a time without a fraction behind its dot", x(r("mtime", "5.")) + f, "f f 1"},
            {"a time that is all fraction", x(r("mtime", ".5")) + f, "refused"},
            {"NUL in a key", x(r(std::string("a\0b", 3), "v")) + f, "refused"},
            {"NUL in a user's name", x(r("uname", std::string("a\0b", 3))) + f, "refused"},
            {"NUL in a comment", x(r("comment", std::string("a\0b", 3))) + f, "f f 1"},

            {"a prefix, whatever the version", raw({.name = "f"}, {{263, "  "}, {345, "p"}}), "f p/f 0"},
            {"no prefix without the magic", raw({.name = "f"}, {{257, "USTAR"}, {345, "p"}}), "f f 0"},
            {"GNU's magic with another version is v7", raw({.name = "f"}, {{257, "ustar 00"}, {345, "p"}}), "f f 0"},
            {"star: a prefix of 131 bytes, then times",
             raw({.name = "f"}, {{345, star_prefix}, {476, "00000000001 00000000002 "}, {508, star_trailer}}),
             "f " + star_prefix + "/f 0"},
            {"star: times that are none", raw({.name = "f"}, {{345, "p"}, {476, "garbage"}, {508, star_trailer}}),
             "refused"},
            {"star in another version", raw({.name = "f"}, {{263, "  "}, {345, star_prefix}, {508, star_trailer}}),
             "f " + star_prefix + "/f 0"},
            {"GNU has times where the prefix is", raw({.name = "f"}, {{257, gnu_magic}, {345, "00000000007"}}),
             "f f 0"},
            {"GNU with a prefix, as Go before 1.8", raw({.name = "f"}, {{257, gnu_magic}, {345, "old/prefix"}}),
             "f old/prefix/f 0"},
            {"also when only the second time is none",
             raw({.name = "f"}, {{257, gnu_magic}, {345, "00000000007/garbage"}}), "f 00000000007/garbage/f 0"},
            {"but only in ASCII", raw({.name = "f"}, {{257, gnu_magic}, {345, "caf\u00e9"}}), "f f 0"},

            {"an old directory", raw({.type = '\0', .name = "d/", .data = ""}, {}), "d d/ 0"},
            {"has no data whatever its size says", raw({.type = '\0', .name = "d/"}, {{124, "00000001000"}}) + f,
             "d d/ 0, f f 1"},
            {"by the name of the extended header too", x(r("path", "d/")) + raw({.type = '\0', .name = "f"}, {}),
             "d d/ 0"},
            {"a file with a slash behind it is one", raw({.name = "f/", .data = "1"}, {}), "f f/ 1"},
            {"a link has no data whatever its size says",
             raw({.type = '1', .name = "h", .link = "f"}, {{124, "00000001000"}}) + f, "h h -> f 0, f f 1"},
            {"not even when it is negative", raw({.type = '5', .name = "d"}, {{124, std::string(12, '\xff')}}),
             "d d 0"},
            {"a file of negative size", raw({.name = "f"}, {{124, std::string(12, '\xff')}}), "refused"},
            {"whatever the extended header says",
             x(r("size", "0")) + raw({.name = "f"}, {{124, std::string(12, '\xff')}}), "refused"},

            {"spaces and NULs around a number",
             raw({.name = "f", .data = "1"}, {{124, std::string(" \0 1\0 \0     ", 12)}}), "f f 1"},
            {"an empty number is 0", raw({.name = "f"}, {{100, std::string(8, ' ')}}), "f f 0"},
            {"a size in base 256", raw({.name = "f", .data = "1"}, {{124, "\x80" + std::string(10, '\0') + "\x01"}}),
             "f f 1"},
            {"base 256 out of range", raw({.name = "f"}, {{124, "\x80" + std::string(11, '\xff')}}), "refused"},
            {"a garbled number of a field without use", raw({.name = "f"}, {{329, "garbage"}}), "refused"},
            {"which v7 does not have", raw({.name = "f"}, {{257, "USTAR"}, {329, "garbage"}}), "f f 0"},
            {"a garbled number in an extended header's header",
             raw({.type = 'x', .name = "x", .data = r("path", "a")}, {{108, "garbage"}}) + f, "refused"},

            {"a sparse file of the wrong format", raw({.type = 'S', .name = "f"}, {}), "refused"},
            {"star's sparse file", raw({.type = 'S', .name = "f"}, {{508, star_trailer}}), "refused"},
            {"size goes before realsize",
             x(blocks + r("GNU.sparse.map", "0,1") + r("GNU.sparse.size", "5") + r("GNU.sparse.realsize", "7")) + f,
             "f f 5"},
            {"a sparse map without a count", x(r("GNU.sparse.map", "0,1")) + f, "refused"},
            {"a sparse map of another count", x(r("GNU.sparse.numblocks", "2") + r("GNU.sparse.map", "0,1")) + f,
             "refused"},
            {"an unknown sparse version is an ordinary file",
             x(r("GNU.sparse.major", "2") + r("GNU.sparse.minor", "0") + r("GNU.sparse.name", "other")) + f, "f f 1"},
            {"a sparse link",
             x(r("GNU.sparse.numblocks", "0") + r("GNU.sparse.major", "0") + r("GNU.sparse.minor", "1")) +
                 raw({.type = '2', .name = "s", .link = "l"}, {}),
             "refused"},
        };
        for (const Case& one : cases) {
            CAPTURE(one.what);
            CHECK(read_as(one.tar + std::string(1024, '\0')) == one.want);
        }
    }

    TEST_CASE("access times of the formats that have them") {
        const auto atime = [](const std::vector<std::pair<std::size_t, std::string>>& fields) {
            return read_all(Raw{{.name = "f", .mtime = 1}, fields}.str() + std::string(1024, '\0'))[0]
                .entry.atime.seconds;
        };
        CHECK(atime({{476, "00000000007"}}) == 1);
        CHECK(atime({{476, "00000000007"}, {508, star_trailer}}) == 7);
        CHECK(atime({{257, gnu_magic}, {345, "00000000007"}}) == 7);
        CHECK(atime({{257, gnu_magic}, {345, "00000000007"}, {357, "garbage"}}) == 1);
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
              pax_file(r("GNU.sparse.numblocks", "2") + r("GNU.sparse.map", "0,9,5,1") + r("GNU.sparse.size", "100")),
              pax_file(r("GNU.sparse.numblocks", "2") + r("GNU.sparse.map", "0,4,100,1") + r("GNU.sparse.size", "50")),
              pax_file(r("GNU.sparse.numblocks", "2") + r("GNU.sparse.map", "0,1,2") + r("GNU.sparse.size", "50")),
              pax_file(r("GNU.sparse.numbytes", "1")),
              TarBuilder().file("a").raw(std::string(512, '\0')).file("b").str(),
              TarBuilder().add({.type = 'z', .name = "f"}).str(),
              TarBuilder().add({.name = "f", .uid = 0xffffffff}).str(),
              TarBuilder().add({.name = "f", .uid = std::uint64_t{1} << 32U}).str(),
              TarBuilder().add({.name = "f", .gid = std::uint64_t{1} << 32U}).str(),
              TarBuilder().add({.type = '3', .name = "f", .major = std::uint64_t{1} << 32U}).str(),
              TarBuilder().add({.type = '4', .name = "f", .minor = std::uint64_t{1} << 32U}).str(),
              TarBuilder().add({.type = '3', .name = "f", .major = ~std::uint64_t{0}}).str(),
              TarBuilder().add({.type = '4', .name = "f", .minor = ~std::uint64_t{0}}).str(),
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
