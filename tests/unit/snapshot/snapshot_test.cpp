// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "snapshot/snapshotter.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::snapshot;

namespace {

void write(int directory, const std::string& name, const std::string& text) {
    write_all(open_at(directory, name, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), as_bytes(text), name);
}

std::string proc_path(int directory, const std::string& name) {
    return cat("/proc/self/fd/", directory, '/', name);
}

void set_attribute(int directory, const std::string& name, const char* attribute, const std::string& value) {
    REQUIRE(::lsetxattr(proc_path(directory, name).c_str(), attribute, value.data(), value.size(), 0) == 0);
}

std::optional<std::string> attribute(int directory, const std::string& name, const std::string& attribute) {
    std::string value(1000, '\0');
    const ssize_t size = ::lgetxattr(proc_path(directory, name).c_str(), attribute.c_str(), value.data(), value.size());
    if (size < 0)
        return std::nullopt;
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Fd open_mounted(const Snapshotter& snapshotter, const Stack& stack) {
    return open_mounts(snapshotter.mounts(stack, Access::read_write), snapshotter.path(stack.id));
}

} // namespace

TEST_SUITE("snapshot") {
    TEST_CASE("an unknown snapshotter is named beside the known ones") {
        const test::TemporaryDirectory dir;
        try {
            open_snapshotter("zfs", dir.path());
            FAIL("was accepted");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::invalid_argument);
            CHECK(error.message().find("btrfs, erofs, native, overlayfs") != std::string::npos);
        }
    }

    TEST_CASE("every snapshotter makes, lists, measures and discards directories") {
        for (const std::string_view name : snapshotter_names()) {
            CAPTURE(name);
            const test::TemporaryDirectory dir;
            if (const auto reason = unusable(name, dir.path())) {
                MESSAGE(name << ": skipped: " << *reason);
                continue;
            }
            make_directories(dir.path("trash"), 0700);
            const Fd trash = open_at(AT_FDCWD, dir.path("trash"), O_RDONLY | O_DIRECTORY);
            const auto snapshotter = open_snapshotter(name, dir.path());
            snapshotter->create({.id = 7, .parents = {}}, {});
            const Fd tree = snapshotter->tree(7);
            struct stat st {};
            REQUIRE(::fstat(tree.get(), &st) == 0);
            CHECK((st.st_mode & 07777U) == 0755);
            write(tree.get(), "f", "text");
            CHECK(snapshotter->list() == std::vector<Id>{7});
            CHECK(snapshotter->usage({.id = 7, .parents = {}}).inodes == 2);
            const auto mounts = snapshotter->mounts({.id = 7, .parents = {}}, Access::read_write);
            REQUIRE(mounts.size() == 1);
            CHECK(mounts[0].type == "bind");
            CHECK(mounts[0].source == snapshotter->path(7));
            snapshotter->discard(7, trash.get(), "x");
            snapshotter->discard(7, trash.get(), "y");
            CHECK(snapshotter->list().empty());
        }
    }

    TEST_CASE("overlay mounts name the nearest layer first, and end at an opaque root") {
        if (::geteuid() != 0)
            return;
        const test::TemporaryDirectory dir;
        const auto overlay = open_snapshotter("overlayfs", dir.path());
        for (const Id id : {1, 2, 3})
            overlay->create({.id = id, .parents = {}}, {});
        overlay->create({.id = 4, .parents = {3, 2, 1}}, {});
        const auto mount = overlay->mounts({.id = 4, .parents = {3, 2, 1}}, Access::read_write).at(0);
        CHECK(mount.type == "overlay");
        CHECK(mount.options[2] == "lowerdir=" + overlay->path(3) + ":" + overlay->path(2) + ":" + overlay->path(1));
        write(overlay->tree(1).get(), "below", "1");
        write(overlay->tree(2).get(), "above", "2");
        {
            const Fd root = open_mounted(*overlay, {.id = 4, .parents = {3, 2, 1}});
            CHECK(list_directory(root.get(), ".") == std::vector<std::string>{"above", "below"});
            write(root.get(), "written", "4");
        }
        CHECK(list_directory(overlay->tree(4).get(), ".") == std::vector<std::string>{"written"});
    }

    TEST_CASE("a new top has the root of the layer below, but not its opacity") {
        if (::geteuid() != 0)
            return;
        const test::TemporaryDirectory dir;
        const auto overlay = open_snapshotter("overlayfs", dir.path());
        overlay->create({.id = 1, .parents = {}}, {});
        const Fd below = overlay->tree(1);
        set_attribute(below.get(), ".", "user.note", "text");
        set_attribute(below.get(), ".", "trusted.overlay.opaque", "y");
        REQUIRE(::fchown(below.get(), 3, 4) == 0);
        REQUIRE(::fchmod(below.get(), 01750) == 0);
        const std::array<timespec, 2> times{timespec{.tv_sec = 7, .tv_nsec = 8}, timespec{.tv_sec = 5, .tv_nsec = 6}};
        REQUIRE(::futimens(below.get(), times.data()) == 0);
        overlay->create({.id = 2, .parents = {1}}, {});
        const Fd above = overlay->tree(2);
        struct stat st {};
        REQUIRE(::fstat(above.get(), &st) == 0);
        CHECK(st.st_uid == 3);
        CHECK(st.st_gid == 4);
        CHECK((st.st_mode & 07777U) == 01750);
        CHECK(st.st_mtim.tv_sec == 5);
        CHECK(st.st_mtim.tv_nsec == 6);
        CHECK(attribute(above.get(), ".", "user.note") == "text");
        CHECK(attribute(above.get(), ".", "trusted.overlay.opaque") == std::nullopt);
    }

    TEST_CASE("what a mount leaves of the kernel's own is gone when the snapshot is sealed") {
        if (::geteuid() != 0)
            return;
        const test::TemporaryDirectory dir;
        const auto overlay = open_snapshotter("overlayfs", dir.path());
        overlay->create({.id = 1, .parents = {}}, {});
        const Fd below = overlay->tree(1);
        make_directory(below.get(), "d", 0755);
        make_directory(below.get(), "replaced", 0755);
        write(below.get(), "d/f", "text");
        write(below.get(), "d/gone", "text");
        REQUIRE(::symlinkat("f", below.get(), "d/link") == 0);
        overlay->create({.id = 2, .parents = {1}}, {});
        {
            const Fd root = open_mounted(*overlay, {.id = 2, .parents = {1}});
            REQUIRE(::linkat(root.get(), "d/f", root.get(), "d/hard", 0) == 0);
            REQUIRE(::linkat(root.get(), "d/link", root.get(), "d/same-link", 0) == 0);
            remove_tree(root.get(), "d/gone");
            remove_tree(root.get(), "replaced");
            make_directory(root.get(), "replaced", 0755);
        }
        overlay->seal(2, {});
        const Fd above = overlay->tree(2);
        for (const std::string name : {".", "d", "d/f", "d/hard", "d/link", "d/same-link"})
            for (const std::string attribute_name : {"origin", "impure", "uuid"}) {
                CAPTURE(name);
                CAPTURE(attribute_name);
                CHECK(attribute(above.get(), name, "trusted.overlay." + attribute_name) == std::nullopt);
            }
        CHECK(attribute(above.get(), "replaced", "trusted.overlay.opaque") == "y");
        CHECK(list_directory(above.get(), "d") == std::vector<std::string>{"f", "gone", "hard", "link", "same-link"});
        CHECK(list_directory(above.get(), "..") == std::vector<std::string>{"fs", "work"});
        CHECK(list_directory(above.get(), "../work").empty());
        CHECK(list_directory(open_mounted(*overlay, {.id = 2, .parents = {1}}).get(), "d") ==
              std::vector<std::string>{"f", "hard", "link", "same-link"});
    }

    TEST_CASE("a native copy is faithful and independent") {
        if (::geteuid() != 0)
            return;
        const test::TemporaryDirectory dir;
        const auto native = open_snapshotter("native", dir.path());
        native->create({.id = 1, .parents = {}}, {});
        const Fd from = native->tree(1);
        write(from.get(), "f", "text");
        REQUIRE(::linkat(from.get(), "f", from.get(), "hard", 0) == 0);
        REQUIRE(::symlinkat("f", from.get(), "soft") == 0);
        make_directory(from.get(), "d", 0700);
        REQUIRE(::mkfifoat(from.get(), "d/pipe", 0600) == 0);
        REQUIRE(::fchownat(from.get(), "f", 3, 4, 0) == 0);
        REQUIRE(::fchmodat(from.get(), "f", 04755, 0) == 0);
        set_attribute(from.get(), "f", "user.note", "of a file");
        set_attribute(from.get(), "soft", "trusted.note", "of a link");
        set_attribute(from.get(), "d/pipe", "trusted.note", "of a pipe");
        write(from.get(), "sparse", "begin");
        REQUIRE(::truncate((native->path(1) + "/sparse").c_str(), 1 << 30) == 0);
        native->create({.id = 2, .parents = {1}}, {});
        const Fd to = native->tree(2);
        CHECK(list_directory(to.get(), ".") == std::vector<std::string>{"d", "f", "hard", "soft", "sparse"});
        struct stat f {};
        struct stat hard {};
        REQUIRE(::fstatat(to.get(), "f", &f, 0) == 0);
        REQUIRE(::fstatat(to.get(), "hard", &hard, 0) == 0);
        CHECK(f.st_ino == hard.st_ino);
        CHECK((f.st_mode & 07777U) == 04755);
        CHECK(f.st_uid == 3);
        CHECK(attribute(to.get(), "f", "user.note") == "of a file");
        CHECK(attribute(to.get(), "soft", "trusted.note") == "of a link");
        CHECK(attribute(to.get(), "d/pipe", "trusted.note") == "of a pipe");
        struct stat sparse {};
        REQUIRE(::fstatat(to.get(), "sparse", &sparse, 0) == 0);
        CHECK(sparse.st_size == 1 << 30);
        CHECK(sparse.st_blocks < 1 << 12);
        write(to.get(), "f", "changed");
        CHECK(find_text(from.get(), "f", 100) == "text");
    }
}
