// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "snapshot/mount.hpp"
#include "snapshot/mount_options.hpp"
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

void write(const std::string& path, std::string_view text) {
    const Fd file = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    write_all(file.get(), as_bytes(text), path);
}

Mount overlay(const OverlayOptions& options) {
    return {.type = "overlay", .source = "overlay", .point = {}, .options = format_overlay_options(options)};
}

std::string mountinfo() {
    std::ifstream file("/proc/thread-self/mountinfo");
    return {std::istreambuf_iterator<char>(file), {}};
}

// `count` directories below `base`, each with a file of its own and one that all have.
OverlayOptions make_stack(const std::string& base, std::size_t count, const std::string& name) {
    OverlayOptions options;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string path = cat(base, '/', name, i);
        make_directories(path, 0755);
        write(cat(path, "/own-", i), "");
        write(path + "/all", std::to_string(i));
        options.lowers.push_back(path);
    }
    return options;
}

} // namespace

TEST_SUITE("mount") {
    TEST_CASE("options become flags, propagation and data; later words win") {
        const MountOptions options =
            parse_mount_options({"ro", "nosuid", "rbind", "rw", "suid", "nodev", "defaults", "rprivate", "x=1", ""});
        CHECK(options.flags == (MS_BIND | MS_REC | MS_NODEV));
        CHECK(options.propagation == (MS_PRIVATE | MS_REC));
        CHECK(options.data == Texts{"x=1"});
        CHECK_FALSE(options.loop);
        CHECK(parse_mount_options({"loop", "direct-io"}).loop);
        CHECK(parse_mount_options({"loop", "direct-io"}).direct_io);
        CHECK(parse_mount_options({"noatime", "atime", "ro"}).flags == MS_RDONLY);
        CHECK(kind_of([] { parse_mount_options({"X-containerd.mkfs.fs=ext4"}); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("the common directory of lower directories") {
        CHECK(common_directory({}).empty());
        CHECK(common_directory({"b"}).empty());
        CHECK(common_directory({"/snapshots/1/fs", "/snapshots/10/fs"}) == "/snapshots/");
        CHECK(common_directory({"/snapshots/1/fs", "/other_snapshots/1/fs"}).empty());
        CHECK(common_directory({"a", "aaa"}).empty());
        CHECK(common_directory({"/a/foo", "/a/foobar"}) == "/a/");
    }

    TEST_CASE("overlay options survive odd names") {
        const OverlayOptions options{
            .lowers = {"/a:b/c,d", "/e\\f"}, .upper = "/u,v", .work = "/w:x", .others = {"index=off"}};
        const Texts words = format_overlay_options(options);
        CHECK(words == Texts{"workdir=/w:x", "upperdir=/u\\,v", "lowerdir=/a\\:b/c\\,d:/e\\\\f", "index=off"});
        const OverlayOptions again = parse_overlay_options(words);
        CHECK(again.lowers == options.lowers);
        CHECK(again.upper == options.upper);
        CHECK(again.work == options.work);
        CHECK(again.others == options.others);
    }

    TEST_CASE("to read only: the upper directory is the first lower one, binds are ro") {
        const auto mounts =
            read_only({overlay({.lowers = {"/l"}, .upper = "/u", .work = "/w", .others = {"volatile"}})});
        CHECK(mounts.at(0).options == Texts{"lowerdir=/u:/l"});
        CHECK(read_only({{.type = "bind", .source = "/s", .point = {}, .options = {"rw", "rbind"}}}).at(0).options ==
              Texts{"rbind", "ro"});
        CHECK(read_only({}).empty());
    }
}

TEST_SUITE("mounting" * doctest::skip(!privileged())) {
    TEST_CASE("a private mount is seen through its descriptor alone") {
        const test::TemporaryDirectory dir;
        OverlayOptions options = make_stack(dir.path(), 2, "lower");
        make_directories(dir.path("upper"), 0755);
        make_directories(dir.path("work"), 0755);
        make_directories(dir.path("scratch"), 0755);
        options.upper = dir.path("upper");
        options.work = dir.path("work");
        {
            const Fd root = open_mounts({overlay(options)}, dir.path("scratch"));
            CHECK(list_directory(root.get(), ".") == Texts{"all", "own-0", "own-1"});
            CHECK(find_text(root.get(), "all", 9) == "0");
            CHECK(list_directory(AT_FDCWD, dir.path("scratch")).empty());
            CHECK(mountinfo().find(dir.path()) == std::string::npos);
        }
        // Free again at once.
        CHECK(open_mounts({overlay(options)}, dir.path("scratch")));
    }

    TEST_CASE("mounted for all, and unmounted") {
        const test::TemporaryDirectory dir;
        const OverlayOptions options = make_stack(dir.path(), 2, "lower");
        make_directories(dir.path("target"), 0755);
        const std::string target = dir.path("target");
        mount_at({overlay(options)}, target);
        CHECK(list_directory(AT_FDCWD, target) == Texts{"all", "own-0", "own-1"});
        mount_at({{.type = "bind", .source = options.lowers[1], .point = {}, .options = {"rbind", "ro", "nosuid"}}},
                 target);
        CHECK(list_directory(AT_FDCWD, target) == Texts{"all", "own-1"});
        struct statvfs st {};
        REQUIRE(::statvfs(target.c_str(), &st) == 0);
        CHECK((st.f_flag & (ST_RDONLY | ST_NOSUID)) == (ST_RDONLY | ST_NOSUID));
        CHECK(kind_of([&] { write(target + "/new", ""); }) == ErrorKind::permission_denied);
        CHECK(unmount_all(target) == 2);
        CHECK(unmount_all(target) == 0);
        CHECK(list_directory(AT_FDCWD, target).empty());
    }

    TEST_CASE("one that fails mounts nothing") {
        const test::TemporaryDirectory dir;
        const OverlayOptions options = make_stack(dir.path(), 1, "lower");
        make_directories(dir.path("target"), 0755);
        const Mount good{.type = "bind", .source = options.lowers[0], .point = dir.path("target"), .options = {"bind"}};
        const Mount bad{.type = "bind", .source = dir.path("missing"), .point = {}, .options = {"bind"}};
        CHECK(kind_of([&] { mount_at({good, bad}, dir.path("target")); }) == ErrorKind::not_found);
        CHECK(kind_of([&] { mount_at({good}, dir.path("missing")); }) == ErrorKind::not_found);
        CHECK(list_directory(AT_FDCWD, dir.path("target")).empty());
        CHECK(mountinfo().find(dir.path()) == std::string::npos);
    }

    TEST_CASE("stacks longer than a page") {
        const test::TemporaryDirectory dir;
        make_directories(dir.path("scratch"), 0755);
        // Short from where they lie; the paths alone are several pages.
        const std::string deep = dir.path(std::string(60, 'd'));
        const OverlayOptions common = make_stack(deep, 200, "");
        const Fd root = open_mounts({overlay(common)}, dir.path("scratch"));
        CHECK(list_directory(root.get(), ".").size() == 201);
        CHECK(find_text(root.get(), "all", 9) == "0");
        // Long in any case: one word each, where the kernel can.
        const OverlayOptions names = make_stack(deep, 200, std::string(60, 'n'));
        try {
            const Fd other = open_mounts({overlay(names)}, dir.path("scratch"));
            CHECK(list_directory(other.get(), ".").size() == 201);
            Mount strict = overlay(names);
            strict.options.insert(strict.options.end(), {"nosuid", "nodev", "noexec", "noatime", "ro"});
            const Fd closed = open_mounts({strict}, dir.path("scratch"));
            struct statvfs st {};
            REQUIRE(::fstatvfs(closed.get(), &st) == 0);
            constexpr unsigned long flags = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME;
            CHECK((st.f_flag & flags) == flags);
        } catch (const Error& error) {
            MESSAGE("not with this kernel: " << error.message());
        }
    }

    TEST_CASE("directories with names that need escapes") {
        const test::TemporaryDirectory dir;
        make_directories(dir.path("scratch"), 0755);
        const OverlayOptions options = make_stack(dir.path("a,b:c\\d"), 2, "");
        const Fd root = open_mounts({overlay(options)}, dir.path("scratch"));
        CHECK(list_directory(root.get(), ".") == Texts{"all", "own-0", "own-1"});
    }
}
