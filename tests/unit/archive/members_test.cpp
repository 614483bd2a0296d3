// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "archive/members.hpp"
#include "archive/skipping.hpp"
#include "archive/tar.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "unit/archive/tar_builder.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::archive;
using test::kind_of;
using test::TarBuilder;

namespace {

Entry link_of(const std::string& name, const std::string& target, EntryType type = EntryType::symlink) {
    return {.type = type, .name = name, .link = target};
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("members: names") {
        CHECK(member_name("./a//b/./c/") == "a/b/c");
        CHECK(member_name("./").empty());
        CHECK(member_name("..a/b..") == "..a/b..");
        for (const std::string& bad :
             {std::string("/a"), std::string("a/../b"), std::string(".."), std::string(5000, 'a')})
            CHECK(kind_of([&] { member_name(bad); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("members: links are followed among them") {
        Members members;
        members.add_file("d/a", 7);
        members.add_link(link_of("d/b", "a"));
        members.add_link(link_of("e/c", "../d/./b"));
        members.add_link(link_of("h", "d/a", EntryType::hard_link));
        members.add_link(link_of("later", "not/yet"));
        CHECK(members.find("d/a") == 7U);
        CHECK(members.find("./d//b") == 7U);
        CHECK(members.find("e/c") == 7U);
        CHECK(members.find("h") == 7U);
        CHECK_FALSE(members.find("later"));
        CHECK_FALSE(members.find("d"));
        CHECK(members.find_file("d/a") == 7U);
        CHECK_FALSE(members.find_file("d/b"));
        members.add_file("not/yet", 8);
        CHECK(members.find("later") == 8U);

        members.add_link(link_of("x", "y"));
        members.add_link(link_of("y", "x"));
        CHECK(kind_of([&] { members.find("x"); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { members.find("../x"); }) == ErrorKind::invalid_argument);
        for (const Entry& bad : {link_of("l", "../x"), link_of("l", "/x"), link_of("d/l", "../../x"),
                                 link_of("l", "../x", EntryType::hard_link), link_of("l", "/x", EntryType::hard_link)})
            CHECK(kind_of([&] { members.add_link(bad); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("members: a name is there once") {
        Members members;
        members.add_file("a", 1);
        members.add_link(link_of("l", "a"));
        members.add_link(link_of("./l", "./a"));
        CHECK(kind_of([&] { members.add_file("a", 2); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { members.add_file("l", 1); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { members.add_link(link_of("a", "l")); }) == ErrorKind::invalid_argument);
        CHECK(kind_of([&] { members.add_link(link_of("l", "b")); }) == ErrorKind::invalid_argument);
        CHECK(members.find("l") == 1U);
        Members many;
        for (std::size_t i = 0; i < 100'000; ++i)
            many.add_file(std::to_string(i), i);
        CHECK(kind_of([&] { many.add_file("x", 0); }) == ErrorKind::resource_exhausted);
    }

    TEST_CASE("members: an archive is gone through once") {
        const std::string text = TarBuilder()
                                     .dir("d")
                                     .file("./d//a", "text")
                                     .symlink("a", "d/b")
                                     .link("d/a", "h")
                                     .add({.type = '6', .name = "pipe"})
                                     .str();
        StringSource source(text);
        TarReader tar(source);
        Members members;
        std::string seen;
        members.read(tar, [&](const std::string& name, const Entry& entry, std::uint64_t offset) {
            seen += cat(name, ' ', entry.size, ' ', text.substr(offset, entry.size), '\n');
            members.add_file(name, 3);
        });
        CHECK(seen == "d/a 4 text\n");
        CHECK(members.find("d/b") == 3U);
        CHECK(members.find("h") == 3U);
        CHECK_FALSE(members.find("pipe"));
        CHECK(tar.has_end_mark());

        const std::string sparse =
            TarBuilder()
                .pax(TarBuilder::record("GNU.sparse.major", "1") + TarBuilder::record("GNU.sparse.minor", "0") +
                     TarBuilder::record("GNU.sparse.name", "s") + TarBuilder::record("GNU.sparse.realsize", "9"))
                .file("s", TarBuilder::padded("1\n5\n1\n") + "x")
                .str();
        StringSource holes(sparse);
        TarReader sparse_tar(holes);
        CHECK(kind_of([&] { members.read(sparse_tar, [](const std::string&, const Entry&, std::uint64_t) {}); }) ==
              ErrorKind::unimplemented);
    }

    TEST_CASE("tar: data that nobody asks for is passed over") {
        const std::string big(700'000, 'b');
        const std::string tar = TarBuilder().file("a", big).file("b", "text").file("c", big).str();
        const test::TemporaryDirectory directory;
        const Fd file = open_at(AT_FDCWD, directory.path("tar"), O_RDWR | O_CREAT | O_EXCL, 0600);
        write_all(file.get(), as_bytes(tar), "file");
        SkippingFile source(file.get(), "file");
        TarReader reader(source);
        for (const std::string& data : {big, std::string("text"), big}) {
            const auto entry = reader.next();
            REQUIRE(entry);
            const auto offset = reader.data_offset();
            REQUIRE(offset);
            CHECK(tar.compare(static_cast<std::size_t>(*offset), data.size(), data) == 0);
        }
        CHECK_FALSE(reader.next());
        CHECK(reader.has_end_mark());
        CHECK(reader.bytes() == tar.size());

        REQUIRE(::ftruncate(file.get(), static_cast<off_t>(tar.size() - 1024 - 1000)) == 0);
        SkippingFile cut(file.get(), "file");
        TarReader again(cut);
        CHECK(kind_of([&] {
                  while (again.next()) {
                  }
              }) == ErrorKind::data_loss);
    }
}
