// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <span>
#include <sstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "snapshot/erofs.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::snapshot;

namespace {

using Texts = std::vector<std::string>;

// Everything that a layer may have to keep.
void fill(const Fd& root) {
    write_all(open_at(root.get(), "f", O_WRONLY | O_CREAT, 04755).get(), as_bytes("text"), "f");
    REQUIRE(::linkat(root.get(), "f", root.get(), "hard", 0) == 0);
    REQUIRE(::mknodat(root.get(), "gone", S_IFCHR, ::makedev(0, 0)) == 0);
    REQUIRE(::mknodat(root.get(), "null", S_IFCHR | 0666, ::makedev(1, 3)) == 0);
    make_directory(root.get(), "d", 0750);
    const std::string base = cat("/proc/self/fd/", root.get());
    REQUIRE(::setxattr((base + "/d").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
    REQUIRE(::setxattr((base + "/f").c_str(), "user.note", "n", 1, 0) == 0);
    REQUIRE(::fchownat(root.get(), "f", 4'000'000, 3'000'000, 0) == 0);
    REQUIRE(::symlinkat("f", root.get(), "link") == 0);
    const std::array<timespec, 2> times{timespec{.tv_sec = 1, .tv_nsec = 2}, timespec{.tv_sec = 5, .tv_nsec = 6}};
    for (const std::string& name : list_directory(root.get(), "."))
        REQUIRE(::utimensat(root.get(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0);
    REQUIRE(::futimens(root.get(), times.data()) == 0);
}

void check_filled(const Fd& root) {
    CHECK(list_directory(root.get(), ".") == Texts{"d", "f", "gone", "hard", "link", "null"});
    const auto stat_of = [&](const char* name) {
        struct stat st {};
        REQUIRE(::fstatat(root.get(), name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        return st;
    };
    CHECK(stat_of("f").st_ino == stat_of("hard").st_ino);
    CHECK(stat_of("f").st_uid == 4'000'000);
    CHECK(stat_of("f").st_gid == 3'000'000);
    for (const char* name : {".", "f", "d", "link", "gone"}) {
        CAPTURE(name);
        CHECK(stat_of(name).st_mtim.tv_sec == 5);
        CHECK(stat_of(name).st_mtim.tv_nsec == 6);
    }
    CHECK(S_ISCHR(stat_of("gone").st_mode));
    CHECK(stat_of("gone").st_rdev == ::makedev(0, 0));
    CHECK(stat_of("null").st_rdev == ::makedev(1, 3));
    CHECK(find_text(root.get(), "f", 10) == "text");
    std::array<char, 8> value{};
    const std::string base = cat("/proc/self/fd/", root.get());
    CHECK(::getxattr((base + "/d").c_str(), "trusted.overlay.opaque", value.data(), value.size()) == 1);
    CHECK(::getxattr((base + "/f").c_str(), "user.note", value.data(), value.size()) == 1);
}

std::string bytes_of(const std::string& path) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
}

std::string image_of(const test::TemporaryDirectory& dir, Id id) {
    return dir.path(cat("erofs/", id, "/layer.erofs"));
}

bool usable() {
    const auto reason = erofs_unusable();
    if (reason)
        MESSAGE("skipped: " << *reason);
    return !reason;
}

} // namespace

TEST_SUITE("erofs") {
    TEST_CASE("a committed layer is an image of all that it was") {
        if (!usable())
            return;
        const test::TemporaryDirectory dir;
        Erofs erofs(dir.path(), {});
        for (const Id id : {1, 2}) {
            erofs.create({.id = id, .parents = {}}, {});
            fill(erofs.tree(id));
        }
        const DiskUsage before = erofs.usage({.id = 1, .parents = {}});
        erofs.seal(1, {});
        // It is still as good an active one.
        check_filled(erofs.tree(1));
        CHECK(erofs.usage({.id = 1, .parents = {}}).inodes == before.inodes);
        check_filled(erofs.layer(1));
        erofs.trim(1);
        CHECK(list_directory(erofs.tree(1).get(), ".").empty());
        check_filled(erofs.layer(1));
        erofs.trim(1);
        const DiskUsage after = erofs.usage({.id = 1, .parents = {}, .labels = {}, .is_committed = true});
        CHECK(after.inodes == before.inodes);
        struct stat st {};
        REQUIRE(::stat(image_of(dir, 1).c_str(), &st) == 0);
        CHECK(after.size == static_cast<std::uint64_t>(st.st_blocks) * 512);
        // The same files, the same bytes.
        erofs.seal(2, {});
        CHECK((bytes_of(image_of(dir, 1)) == bytes_of(image_of(dir, 2))));
    }

    TEST_CASE("a file that is mostly a hole makes a small image") {
        if (!usable())
            return;
        constexpr off_t size = off_t{256} << 20U;
        const test::TemporaryDirectory dir;
        Erofs erofs(dir.path(), {});
        erofs.create({.id = 1, .parents = {}}, {});
        const Fd file = open_at(erofs.tree(1).get(), "sparse", O_RDWR | O_CREAT, 0644);
        REQUIRE(::ftruncate(file.get(), size) == 0);
        REQUIRE(::pwrite(file.get(), "end", 3, size) == 3);
        erofs.seal(1, {});
        CHECK(erofs.usage({.id = 1, .parents = {}, .labels = {}, .is_committed = true}).size < 16U << 20U);
        const Fd found = open_at(erofs.layer(1).get(), "sparse", O_RDONLY);
        std::array<std::byte, 8> bytes{};
        REQUIRE(read_some_at(found.get(), bytes, size - 3, "sparse") == 6);
        CHECK(as_text(std::span(bytes).first(6)) == std::string_view("\0\0\0end", 6));
    }

    TEST_CASE("what changes after a seal that led to nothing is in the next one") {
        if (!usable())
            return;
        const test::TemporaryDirectory dir;
        Erofs erofs(dir.path(), {});
        erofs.create({.id = 1, .parents = {}}, {});
        erofs.seal(1, {});
        open_at(erofs.tree(1).get(), "late", O_WRONLY | O_CREAT, 0644);
        erofs.seal(1, {});
        CHECK(list_directory(erofs.layer(1).get(), ".") == Texts{"late"});
    }

    TEST_CASE("images are mounted from the file, and by a loop device") {
        if (!usable())
            return;
        const test::TemporaryDirectory dir;
        Erofs erofs(dir.path(), {});
        erofs.create({.id = 1, .parents = {}}, {});
        fill(erofs.tree(1));
        erofs.seal(1, {});
        erofs.trim(1);
        make_directories(dir.path("scratch"), 0755);
        for (const Texts& options : {Texts{"ro"}, Texts{"ro", "loop"}})
            check_filled(open_mounts({{.type = "erofs", .source = image_of(dir, 1), .point = {}, .options = options}},
                                     dir.path("scratch")));
    }

    TEST_CASE("stacks of images") {
        if (!usable())
            return;
        const test::TemporaryDirectory dir;
        Erofs erofs(dir.path(), {});
        for (const Id id : {1, 2, 3, 4}) {
            erofs.create({.id = id, .parents = id == 1 ? std::vector<Id>{} : std::vector<Id>{id - 1}}, {});
            open_at(erofs.tree(id).get(), cat("of-", id), O_WRONLY | O_CREAT, 0644);
        }
        // An opaque root ends the stack, image or not.
        REQUIRE(::setxattr(erofs.path(2).c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
        for (const Id id : {1, 2, 3}) {
            erofs.seal(id, {});
            erofs.trim(id);
        }
        const Stack stack{.id = 4, .parents = {3, 2, 1}};
        std::vector<Mount> mounts = erofs.mounts(stack, Access::read_write);
        REQUIRE(mounts.size() == 3);
        CHECK(mounts[0].type == "erofs");
        CHECK(mounts[0].source == image_of(dir, 3));
        CHECK(mounts[0].point == erofs.path(3));
        CHECK(mounts[1].point == erofs.path(2));
        CHECK(mounts[2].type == "overlay");
        CHECK(mounts[2].point.empty());
        make_directories(dir.path("scratch"), 0755);
        CHECK(list_directory(open_mounts(mounts, dir.path("scratch")).get(), ".") == Texts{"of-2", "of-3", "of-4"});
        mounts = erofs.mounts({.id = 4, .parents = {1}}, Access::read_only);
        REQUIRE(mounts.size() == 1);
        CHECK(mounts[0].type == "erofs");
        CHECK(mounts[0].point.empty());
        // One that is not sealed yet lies below all the same.
        CHECK(list_directory(
                  open_mounts(erofs.mounts({.id = 9, .parents = {4, 3}}, Access::read_only), dir.path("scratch")).get(),
                  ".") == Texts{"of-3", "of-4"});
    }
}
