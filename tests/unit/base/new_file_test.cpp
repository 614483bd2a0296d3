// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/new_file.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;

namespace {

std::string text_of(const std::string& path) {
    return read_text(open_at(AT_FDCWD, path, O_RDONLY).get(), 1000, path);
}

} // namespace

TEST_SUITE("base") {
    TEST_CASE("a new file has its name when it is whole") {
        const test::TemporaryDirectory dir;
        const Fd root = open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY);
        const auto make = [&](const std::string& text, bool commit) {
            NewFile file(root.get(), "name", 0644);
            write_all(file.fd(), as_bytes(text), "name");
            if (commit)
                file.commit(true);
        };
        make("nobody's", false);
        CHECK(list_directory(root.get(), ".").empty());
        make("first", true);
        CHECK(text_of(dir.path("name")) == "first");
        make("nobody's", false);
        make("second", true);
        CHECK(text_of(dir.path("name")) == "second");
        CHECK(list_directory(root.get(), ".") == std::vector<std::string>{"name"});
        CHECK(test::kind_of([&] { NewFile(-1, "name", 0644); }).has_value());
    }

    TEST_CASE("bytes have their places in a file of a size") {
        const test::TemporaryDirectory dir;
        const Fd file = open_at(AT_FDCWD, dir.path("file"), O_RDWR | O_CREAT, 0600);
        set_size(file.get(), 8, "file");
        FileSink back(file.get(), "file", 5);
        FileSink front(file.get(), "file", 1);
        back.write(as_bytes("f"));
        front.write(as_bytes("b"));
        back.write(as_bytes("g"));
        front.write(as_bytes("c"));
        CHECK(text_of(dir.path("file")) == std::string("\0bc\0\0fg\0", 8));
        set_size(open_at(AT_FDCWD, dir.path("empty"), O_RDWR | O_CREAT, 0600).get(), 0, "empty");
        CHECK(text_of(dir.path("empty")).empty());
    }

    TEST_CASE("where a path leads") {
        const test::TemporaryDirectory dir;
        REQUIRE(::mkdir(dir.path("below").c_str(), 0700) == 0);
        REQUIRE(::symlink("below/file", dir.path("link").c_str()) == 0);
        CHECK(open_place(dir.path("file")).name == "file");
        static_cast<void>(open_at(AT_FDCWD, dir.path("below/file"), O_RDWR | O_CREAT, 0600));
        const Place place = open_place(dir.path("link"));
        CHECK(place.name == "file");
        CHECK(list_directory(place.directory.get(), ".") == std::vector<std::string>{"file"});
        CHECK(test::kind_of([&] { open_place(dir.path("no/file")); }) == ErrorKind::not_found);
    }
}
