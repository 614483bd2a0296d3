// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "snapshot/mount.hpp"
#include "snapshot/mount_table.hpp"
#include "snapshot/mounted.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::snapshot;
using lade::test::kind_of;

namespace {

using Texts = std::vector<std::string>;

bool privileged() {
    return ::geteuid() == 0;
}

} // namespace

TEST_SUITE("mount table") {
    TEST_CASE("lines of mountinfo") {
        const std::vector<MountEntry> entries = parse_mount_table(
            "36 35 98:0 /a\\040b /mnt/t\\011\\134x rw,noatime shared:1 master:2 - ext4 /dev/root rw,errors=continue\n"
            "37 36 0:44 / /mnt/o rw - overlay overlay rw,lowerdir=/x\\134:y:/c\\054d,upperdir=/u\n"
            "no line at all\n"
            "1 2 3 4 5 6 7 8 - x\n"
            "\n");
        REQUIRE(entries.size() == 2);
        CHECK(entries[0].id == 36);
        CHECK(entries[0].device == "98:0");
        CHECK(entries[0].root == "/a b");
        CHECK(entries[0].point == "/mnt/t\t\\x");
        CHECK(entries[0].type == "ext4");
        CHECK(entries[0].source == "/dev/root");
        CHECK(entries[0].options == Texts{"rw", "errors=continue"});
        CHECK(entries[1].options == Texts{"rw", "lowerdir=/x\\:y:/c,d", "upperdir=/u"});
    }

    TEST_CASE("our own table") {
        const Fd root = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
        const std::uint64_t id = mount_id(root.get());
        bool found = false;
        for (const MountEntry& entry : read_mount_table())
            found = found || (entry.id == id && entry.point == "/");
        CHECK(found);
        CHECK(path_of(root.get()) == "/");
    }

    TEST_CASE("what is mounted from a directory" * doctest::skip(!privileged())) {
        const test::TemporaryDirectory dir;
        const std::string folder = dir.path("snapshots");
        for (const char* name : {"snapshots/native/1/fs/below", "snapshots/native/2/fs", "target"})
            make_directories(dir.path(name), 0755);
        const std::string target = dir.path("target");
        const auto bind = [&](const std::string& source) {
            mount_at({{.type = "bind", .source = source, .point = {}, .options = {"bind"}}}, target);
        };
        CHECK_FALSE(Mounted(folder).point_of("native/1"));
        CHECK(unmount_snapshots(folder, target) == 0);
        bind(folder + "/native/1/fs");
        CHECK(Mounted(folder).point_of("native/1") == target);
        CHECK_FALSE(Mounted(folder).point_of("native/2"));
        bind(folder + "/native/2/fs");
        CHECK(unmount_snapshots(folder, target) == 2);
        bind(folder + "/native/1/fs/below");
        CHECK(Mounted(folder).point_of("native/1") == target);
        CHECK(kind_of([&] { unmount_snapshots(folder, target); }) == ErrorKind::failed_precondition);
        CHECK(unmount_all(target) == 1);
        CHECK(kind_of([&] { unmount_snapshots(folder, dir.path("none")); }) == ErrorKind::not_found);
    }
}
