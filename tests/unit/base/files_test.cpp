// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/stream.hpp"
#include "base/tree.hpp"
#include "unit/temporary.hpp"

using namespace lade;

TEST_SUITE("base") {
    TEST_CASE("a file is read whole or in part") {
        const test::TemporaryDirectory dir;
        const Fd file = open_at(AT_FDCWD, dir.path("file"), O_RDWR | O_CREAT, 0600);
        write_all(file.get(), as_bytes("0123456789"), "file");
        const auto read = [&](std::uint64_t offset, std::uint64_t length) {
            FileSource source(file.get(), "file", offset, length);
            StringSink sink(100, "file");
            copy(source, sink);
            return sink.take();
        };
        CHECK(read(0, UINT64_MAX) == "0123456789");
        CHECK(read(3, 4) == "3456");
        CHECK(read(8, 100) == "89");
        CHECK(read(10, 1).empty());
        CHECK(read(0, 0).empty());
        CHECK(read(7, UINT64_MAX) == "789");
    }

    TEST_CASE("a tree goes without following links") {
        const test::TemporaryDirectory dir;
        const Fd root = open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY);
        make_directories(dir.path("outside/kept"), 0755);
        make_directories(dir.path("tree/a/b/c"), 0755);
        REQUIRE(::symlink("../outside", dir.path("tree/link").c_str()) == 0);
        remove_tree(root.get(), "tree");
        CHECK(list_directory(root.get(), ".") == std::vector<std::string>{"outside"});
        CHECK(list_directory(root.get(), "outside") == std::vector<std::string>{"kept"});
        CHECK_NOTHROW(remove_tree(root.get(), "tree"));
    }

    TEST_CASE("a tree is measured and removed whatever its depth, and whatever few descriptors there are") {
        const test::TemporaryDirectory dir;
        const Fd root = open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY);
        constexpr int depth = 3000;
        make_directory(root.get(), "deep", 0755);
        Fd at = open_at(root.get(), "deep", O_RDONLY | O_DIRECTORY);
        for (int i = 1; i < depth; ++i) {
            make_directory(at.get(), "a", 0755);
            make_directory(at.get(), "b", 0755);
            at = open_at(at.get(), "a", O_RDONLY | O_DIRECTORY);
        }
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        const rlimit few{.rlim_cur = static_cast<rlim_t>(at.get()) + 4, .rlim_max = before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
        const DiskUsage usage = disk_usage(root.get(), "deep");
        CHECK_NOTHROW(remove_tree(root.get(), "deep"));
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(usage.inodes == 2 * depth - 1);
        CHECK(list_directory(root.get(), ".").empty());
    }

    TEST_CASE("usage counts a hard link once") {
        const test::TemporaryDirectory dir;
        const Fd root = open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY);
        make_directory(root.get(), "d", 0755);
        write_all(open_at(root.get(), "d/f", O_WRONLY | O_CREAT, 0644).get(), as_bytes(std::string(10'000, 'x')), "f");
        const DiskUsage once = disk_usage(root.get(), "d");
        REQUIRE(::linkat(root.get(), "d/f", root.get(), "d/g", 0) == 0);
        const DiskUsage twice = disk_usage(root.get(), "d");
        CHECK(once.inodes == 2);
        CHECK(twice.inodes == once.inodes);
    }

    TEST_CASE("a replaced file is whole") {
        const test::TemporaryDirectory dir;
        const Fd root = open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY);
        replace_file(root.get(), "f", "one", 0600);
        replace_file(root.get(), "f", "two", 0600);
        CHECK(find_text(root.get(), "f", 10) == "two");
        CHECK_FALSE(find_text(root.get(), "g", 10));
        CHECK_THROWS_AS(find_text(root.get(), "f", 2), Error);
    }
}
