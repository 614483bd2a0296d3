// SPDX-License-Identifier: Apache-2.0
// The overlay's own cases of containerd's suite (containerd-store.md 6.3, 6.6): what is mounted, in which order, and as
// whose.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "snapshot/features.hpp"
#include "snapshot/idmap.hpp"
#include "snapshot/mount_options.hpp"
#include "snapshot/overlay.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::snapshot;
using lade::test::kind_of;

namespace {

using Texts = std::vector<std::string>;

constexpr const char* mapping = "0:100000:65536";
const oci::Labels both{{std::string(uid_mapping_label), mapping}, {std::string(gid_mapping_label), mapping}};

// 1 lies below 2, and 3 is on top of both.
struct Layers {
    explicit Layers(Texts options = {}, const oci::Labels& labels = {}) : overlay(dir.path(), std::move(options)) {
        overlay.create({.id = 1, .parents = {}, .labels = labels}, {});
        overlay.create({.id = 2, .parents = {1}, .labels = labels}, {});
        overlay.create({.id = 3, .parents = {2, 1}, .labels = labels}, {});
    }
    Mount mount(const Stack& stack, Access access = Access::read_write) const {
        const std::vector<Mount> all = overlay.mounts(stack, access);
        REQUIRE(all.size() == 1);
        return all.front();
    }
    struct stat root(Id id) const {
        struct stat st {};
        REQUIRE(::fstat(overlay.tree(id).get(), &st) == 0);
        return st;
    }

    test::TemporaryDirectory dir;
    Overlay overlay;
};

Texts with_index(Texts words) {
    if (overlay_has_index())
        words.emplace_back("index=off");
    return words;
}

} // namespace

TEST_SUITE("overlay" * doctest::skip(::geteuid() != 0)) {
    TEST_CASE("what is mounted") {
        const Layers layers({"volatile"});
        const Overlay& overlay = layers.overlay;
        const auto lowers = [&](bool all) {
            return "lowerdir=" + overlay.path(2) + (all ? ":" + overlay.path(1) : "");
        };
        Mount mount = layers.mount({.id = 1, .parents = {}});
        CHECK(mount.type == "bind");
        CHECK(mount.source == overlay.path(1));
        CHECK(mount.options == Texts{"rw", "rbind"});
        mount = layers.mount({.id = 1, .parents = {}}, Access::read_only);
        CHECK(mount.source == overlay.path(1));
        CHECK(mount.options == Texts{"ro", "rbind"});
        mount = layers.mount({.id = 3, .parents = {2}}, Access::read_only);
        CHECK(mount.type == "bind");
        CHECK(mount.source == overlay.path(2));
        CHECK(mount.options == Texts{"ro", "rbind"});
        mount = layers.mount({.id = 3, .parents = {2, 1}}, Access::read_only);
        CHECK(mount.type == "overlay");
        CHECK(mount.source == "overlay");
        CHECK(mount.options == with_index({lowers(true), "volatile"}));
        const std::string work = "workdir=" + layers.dir.path("overlayfs/3/work");
        mount = layers.mount({.id = 3, .parents = {2}});
        CHECK(mount.options == with_index({work, "upperdir=" + overlay.path(3), lowers(false), "volatile"}));
        mount = layers.mount({.id = 3, .parents = {2, 1}});
        CHECK(mount.options == with_index({work, "upperdir=" + overlay.path(3), lowers(true), "volatile"}));
    }

    TEST_CASE("what is configured is not overridden, and has to be known") {
        const Texts words = Layers({"index=off"}).mount({.id = 3, .parents = {2, 1}}).options;
        CHECK(words.back() == "index=off");
        CHECK(parse_configured_options("").empty());
        CHECK(parse_configured_options("volatile,index=off") == Texts{"volatile", "index=off"});
        for (const char* text : {"nfs_export=on", "lowerdir=/", "upperdir=/", "metacopy=on", "redirect_dir=on", "index",
                                 "volatile,", ",", " volatile", "index=maybe"}) {
            CAPTURE(text);
            CHECK(kind_of([&] { parse_configured_options(text); }) == ErrorKind::invalid_argument);
        }
    }

    TEST_CASE("a mapping comes first in every mount, and its root owns what is new") {
        const Layers layers({"volatile"}, both);
        const Overlay& overlay = layers.overlay;
        const Texts words{cat("uidmap=", mapping), cat("gidmap=", mapping)};
        CHECK(layers.mount({.id = 1, .parents = {}, .labels = both}).options ==
              Texts{words[0], words[1], "rw", "rbind"});
        CHECK(layers.mount({.id = 3, .parents = {2}, .labels = both}, Access::read_only).options ==
              Texts{words[0], words[1], "ro", "rbind"});
        const Texts all = layers.mount({.id = 3, .parents = {2, 1}, .labels = both}).options;
        CHECK(Texts(all.begin(), all.begin() + 2) == words);
        CHECK(all[2] == "workdir=" + layers.dir.path("overlayfs/3/work"));
        for (const Id id : {1, 2, 3}) {
            CHECK(layers.root(id).st_uid == 100000);
            CHECK(layers.root(id).st_gid == 100000);
        }
        // One of the two alone says whose the root is all the same.
        const test::TemporaryDirectory dir;
        Overlay other(dir.path(), {});
        other.create({.id = 1, .parents = {}, .labels = {{std::string(uid_mapping_label), "0:5:1"}}}, {});
        struct stat st {};
        REQUIRE(::fstat(other.tree(1).get(), &st) == 0);
        CHECK(st.st_uid == 5);
        CHECK(st.st_gid == 0);
        CHECK(overlay.remaps());
    }

    TEST_CASE("mappings that are none") {
        const Layers layers;
        for (const char* text :
             {"", "wrong", "0", "0:0", "0:0:0", "-1:0:10", "0:-1:10", "0:0:-1", "1:0:10", "0:4294967295:1",
              "4294967296:0:1", "0:0:4294967296", "0:1:2:3", "0:1:1,", "0:1:1,x", "0x0:1:1", "0:4294967290:10"}) {
            CAPTURE(text);
            for (const std::string_view label : {uid_mapping_label, gid_mapping_label})
                CHECK(kind_of([&] {
                          Overlay(layers.dir.path(), {})
                              .create({.id = 9, .parents = {}, .labels = {{std::string(label), text}}}, {});
                      }) == ErrorKind::invalid_argument);
        }
        CHECK(layers.overlay.list() == std::vector<Id>{1, 2, 3});
        const std::vector<IdRange> ranges = parse_id_mapping("0:1000:1,1:100000:10");
        CHECK(host_id(ranges, 0) == 1000);
        CHECK(host_id(ranges, 10) == 100009);
        CHECK(kind_of([&] { host_id(ranges, 11); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("what lies below is seen as the mapping says, what is written has those owners") {
        Layers layers;
        for (const Id id : {1, 2}) {
            const Fd tree = layers.overlay.tree(id);
            const std::string name = cat("of-", id);
            open_at(tree.get(), name, O_WRONLY | O_CREAT, 0644);
            REQUIRE(::fchownat(tree.get(), name.c_str(), 7, 8, 0) == 0);
        }
        layers.overlay.create({.id = 4, .parents = {2, 1}, .labels = both}, {});
        const Stack stack{.id = 4, .parents = {2, 1}, .labels = both};
        make_directories(layers.dir.path("scratch"), 0755);
        const auto owner = [](const Fd& root, const std::string& name) {
            struct stat st {};
            REQUIRE(::fstatat(root.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0);
            return std::pair(st.st_uid, st.st_gid);
        };
        try {
            const Fd root = open_mounts(layers.overlay.mounts(stack, Access::read_write), layers.overlay.path(4));
            CHECK(owner(root, "of-1") == std::pair(uid_t{100007}, gid_t{100008}));
            CHECK(owner(root, "of-2") == std::pair(uid_t{100007}, gid_t{100008}));
            CHECK(owner(root, ".") == std::pair(uid_t{100000}, gid_t{100000}));
            open_at(root.get(), "new", O_WRONLY | O_CREAT, 0644);
            REQUIRE(::fchownat(root.get(), "new", 100003, 100004, 0) == 0);
            CHECK(owner(layers.overlay.tree(4), "new") == std::pair(uid_t{100003}, gid_t{100004}));
            // A single layer is bound, and remapped like the others.
            const Fd view =
                open_mounts(layers.overlay.mounts({.id = 4, .parents = {1}, .labels = both}, Access::read_only),
                            layers.dir.path("scratch"));
            CHECK(owner(view, "of-1") == std::pair(uid_t{100007}, gid_t{100008}));
            // One word alone is no mapping.
            const Fd one = open_mounts({{.type = "bind",
                                         .source = layers.overlay.path(1),
                                         .point = {},
                                         .options = {cat("uidmap=", mapping), "ro", "rbind"}}},
                                       layers.dir.path("scratch"));
            CHECK(owner(one, "of-1") == std::pair(uid_t{7}, gid_t{8}));
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::failed_precondition);
            MESSAGE("not with this kernel: " << error.message());
        }
    }
}
