// SPDX-License-Identifier: Apache-2.0
#include <sys/sysmacros.h>

#include "archive/root.hpp"
#include "base/tree.hpp"
#include "unit/archive/place.hpp"

using namespace lade;
using namespace lade::archive;
using test::Place;
using test::root_user;
using test::TarBuilder;

namespace {

bool opaque(const Place& place, const std::string& name) {
    char value = 0;
    return ::lgetxattr(place.path(name).c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

bool is_whiteout(const Place& place, const std::string& name) {
    const auto st = place.stat(name);
    return S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(0, 0);
}

TarBuilder many_directories(int count) {
    TarBuilder tar;
    for (int i = 0; i < count; ++i)
        tar.file(cat("directory-", i, "/f"));
    return tar;
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("plain whiteouts concern lower layers only, in any order") {
        const auto lower = [](const Place& place) {
            place.apply(TarBuilder().dir("d/").file("d/old").dir("d/sub/").file("d/sub/old").file("f", "old"));
        };
        const auto upper = [&](const TarBuilder& tar) {
            const Place place;
            lower(place);
            place.apply(tar);
            return place.names();
        };
        using Names = std::set<std::string>;
        CHECK(upper(TarBuilder().file("d/sub/new").file("d/.wh..wh..opq")) == Names{"d", "d/sub", "d/sub/new", "f"});
        CHECK(upper(TarBuilder().file("d/.wh..wh..opq").file("d/sub/new")) == Names{"d", "d/sub", "d/sub/new", "f"});
        CHECK(upper(TarBuilder().file(".wh.d").file("d/new")) == Names{"d", "d/new", "f"});
        CHECK(upper(TarBuilder().file("d/new").file(".wh.d")) == Names{"d", "d/new", "f"});
        CHECK(upper(TarBuilder().file("f", "new").file(".wh.f")) == Names{"d", "d/old", "d/sub", "d/sub/old", "f"});
        CHECK(upper(TarBuilder().file(".wh.f")) == Names{"d", "d/old", "d/sub", "d/sub/old"});
        CHECK(upper(TarBuilder().file(".wh..wh..opq").file("new")) == Names{"new"});
        CHECK(upper(TarBuilder().file(".wh..wh.plnk").file(".wh.none")) ==
              Names{"d", "d/old", "d/sub", "d/sub/old", "f"});
    }

    TEST_CASE("whiteouts in a directory that became a file hide nothing more") {
        for (const Whiteouts form : {Whiteouts::plain, Whiteouts::overlay}) {
            if (form == Whiteouts::overlay && !root_user())
                continue;
            for (const bool file_first : {true, false}) {
                const Place place;
                TarBuilder tar;
                if (file_first)
                    tar.file("d", "file");
                tar.file("d/.wh.old").file("d/.wh..wh..opq").file("d/sub/.wh.older");
                if (!file_first)
                    tar.file("d", "file");
                place.apply(tar, form);
                CHECK(place.read("d") == "file");
            }
        }
    }

    TEST_CASE("a directory that is only passed through is new below one that was hidden, in any order") {
        for (const bool marker_first : {true, false}) {
            const Place place;
            place.apply(TarBuilder().dir("d/", 0700).dir("d/sub/", 0700).file("d/sub/old"));
            TarBuilder tar;
            if (marker_first)
                tar.file("d/.wh..wh..opq");
            tar.file("d/sub/new");
            if (!marker_first)
                tar.file("d/.wh..wh..opq");
            place.apply(tar);
            CHECK((place.stat("d").st_mode & 07777U) == 0700);
            CHECK((place.stat("d/sub").st_mode & 07777U) == 0755);
            CHECK(place.stat("d/sub").st_mtim.tv_sec == 0);
        }
    }

    TEST_CASE("a directory's entry says all of its metadata: xattrs of a lower layer's are gone") {
        const Place place;
        place.apply(TarBuilder().dir("d/"));
        if (::setxattr(place.path("d").c_str(), "user.old", "x", 1, 0) != 0)
            return; // a file system without them
        place.apply(TarBuilder().dir("d/"));
        CHECK(::getxattr(place.path("d").c_str(), "user.old", nullptr, 0) < 0);
    }

    TEST_CASE("overlay whiteouts are devices and marks") {
        if (!root_user())
            return;
        const Place place;
        const Applied applied = place.apply(TarBuilder()
                                                .file(".wh.gone")
                                                .file("kept")
                                                .file(".wh.kept")
                                                .dir("marked/")
                                                .file("marked/.wh..wh..opq")
                                                .file(".wh.new")
                                                .dir("new/")
                                                .file(".wh.passed")
                                                .file("passed/f")
                                                .dir("late/")
                                                .file(".wh.late")
                                                .file("was-file")
                                                .dir("was-file/")
                                                .file(".wh.again")
                                                .file("again", "x"),
                                            Whiteouts::overlay);
        CHECK(is_whiteout(place, "gone"));
        CHECK(S_ISREG(place.stat("kept").st_mode));
        for (const char* name : {"marked", "new", "passed", "late", "was-file"}) {
            CAPTURE(name);
            CHECK(opaque(place, name));
        }
        CHECK(place.read("again") == "x");
        CHECK(applied.implied == std::vector<std::string>{""});
    }

    TEST_CASE("what only the lower layers know is asked for, and given by settle") {
        if (!root_user())
            return;
        const Place lower;
        lower.apply(TarBuilder()
                        .add({.type = '5', .name = "d/", .mode = 0711, .uid = 3, .gid = 4, .mtime = 1'500'000'000})
                        .file("f")
                        .symlink("d", "s"));
        const Place upper;
        Applied applied = upper.apply(TarBuilder().file("d/x").file("own/y"), Whiteouts::overlay);
        CHECK(std::set<std::string>(applied.implied.begin(), applied.implied.end()) ==
              std::set<std::string>{"", "d", "own"});
        CHECK(settle(upper.root.get(), applied, {lower.root.get()}, privilege()));
        CHECK((upper.stat("d").st_mode & 07777U) == 0711);
        CHECK(upper.stat("d").st_uid == 3);
        CHECK(upper.stat("d").st_mtim.tv_sec == 1'500'000'000);
        CHECK((upper.stat("own").st_mode & 07777U) == 0755);
        CHECK(upper.stat("own").st_mtim.tv_sec == 0);

        const Place through;
        applied = through.apply(TarBuilder().file("s/x"), Whiteouts::overlay);
        CHECK_FALSE(settle(through.root.get(), applied, {lower.root.get()}, privilege()));

        // A whiteout in between ends the search.
        const Place between;
        between.apply(TarBuilder().file(".wh.s").file(".wh.d"), Whiteouts::overlay);
        CHECK(settle(through.root.get(), applied, {between.root.get(), lower.root.get()}, privilege()));

        const Place link;
        CHECK(link.apply(TarBuilder().link("f", "g").file("after"), Whiteouts::overlay).needs_lower);
    }

    TEST_CASE("set-id bits survive the change of owner; nanoseconds survive; directory times come last") {
        if (!root_user())
            return;
        const Place place;
        place.apply(TarBuilder()
                        .add({.type = '5', .name = "d/", .mode = 01777, .mtime = 1'400'000'000})
                        .pax(TarBuilder::record("mtime", "1500000000.123456789"))
                        .add({.name = "d/suid", .mode = 06755, .uid = 5, .gid = 6})
                        .file("d/later"));
        CHECK((place.stat("d/suid").st_mode & 07777U) == 06755);
        CHECK(place.stat("d/suid").st_uid == 5);
        CHECK(place.stat("d/suid").st_mtim.tv_nsec == 123'456'789);
        CHECK((place.stat("d").st_mode & 07777U) == 01777);
        CHECK(place.stat("d").st_mtim.tv_sec == 1'400'000'000);
    }

    TEST_CASE("a directory that is only passed through keeps its times") {
        const Place place;
        place.apply(TarBuilder().add({.type = '5', .name = "d/", .mode = 0755, .mtime = 1'400'000'000}).file("d/old"));
        place.apply(TarBuilder().file("d/new").file("d/.wh.old"));
        CHECK(place.stat("d").st_mtim.tv_sec == 1'400'000'000);
    }

    TEST_CASE("a directory that the layer replaces by a link, wherever that leads, has nothing left to set") {
        for (const std::string& target :
             {std::string("d"), std::string(256, 'n'), std::string("/"), std::string("none")})
            for (const Whiteouts form : {Whiteouts::plain, Whiteouts::overlay}) {
                if (form == Whiteouts::overlay && !root_user())
                    continue;
                CAPTURE(target);
                const Place place;
                place.apply(TarBuilder().dir("d/").file("d/e/f").dir("own/").symlink(target, "d"), form);
                CHECK(place.target("d") == target);
                CHECK(place.stat("own").st_mtim.tv_sec == 1'600'000'000);
            }
    }

    TEST_CASE("the root's own entry is about the root") {
        const Place place;
        place.apply(TarBuilder().add({.type = '5', .name = "./", .mode = 0711, .mtime = 1'400'000'000}).file("f"));
        struct stat st {};
        REQUIRE(::fstat(place.root.get(), &st) == 0);
        CHECK((st.st_mode & 07777U) == 0711);
        CHECK(st.st_mtim.tv_sec == 1'400'000'000);
    }

    TEST_CASE("xattrs: a hard link has what its file can have") {
        const Place place;
        const std::string user = TarBuilder::record("SCHILY.xattr.user.k", "v");
        place.apply(TarBuilder()
                        .symlink("nowhere", "s")
                        .pax(user)
                        .link("s", "t")
                        .add({.type = '6', .name = "p"})
                        .pax(user)
                        .link("p", "q")
                        .file("f")
                        .pax(user)
                        .link("f", "g"));
        CHECK(place.same("s", "t"));
        CHECK(place.same("p", "q"));
        char value = 0;
        CHECK(::lgetxattr(place.path("t").c_str(), "user.k", &value, 1) < 0);
        CHECK(::lgetxattr(place.path("q").c_str(), "user.k", &value, 1) < 0);
        CHECK(::lgetxattr(place.path("f").c_str(), "user.k", &value, 1) == 1);
    }

    TEST_CASE("xattrs: kept, but none that overlayfs would believe") {
        const Place place;
        const auto r = TarBuilder::record;
        place.apply(TarBuilder()
                        .pax(r("SCHILY.xattr.user.k", "v") + r("SCHILY.xattr.trusted.k", "v") +
                             r("SCHILY.xattr.trusted.overlay.opaque", "y") + r("SCHILY.xattr.user.overlay.opaque", "y"))
                        .dir("d/"));
        char value = 0;
        const ssize_t size = ::lgetxattr(place.path("d").c_str(), "user.k", &value, 1);
        if (size < 0 && errno == ENOTSUP)
            return;
        CHECK(size == 1);
        CHECK((::lgetxattr(place.path("d").c_str(), "trusted.k", &value, 1) == 1) == root_user());
        CHECK(::lgetxattr(place.path("d").c_str(), "trusted.overlay.opaque", &value, 1) < 0);
        CHECK(::lgetxattr(place.path("d").c_str(), "user.overlay.opaque", &value, 1) < 0);
    }

    TEST_CASE("a device 0:0 is no whiteout by accident") {
        if (!root_user())
            return;
        const Place place;
        const Applied applied = place.apply(TarBuilder().add({.type = '3', .name = "c"}), Whiteouts::overlay);
        CHECK_FALSE(place.exists("c"));
        CHECK(applied.warnings.size() == 1);
    }

    TEST_CASE("hard links that cannot be") {
        CHECK(Place().refuses(TarBuilder().link("none", "l")) == ErrorKind::invalid_argument);
        CHECK(Place().refuses(TarBuilder().dir("d/").link("d", "l")) == ErrorKind::invalid_argument);
        CHECK(Place().refuses(TarBuilder().link("..", "l")) == ErrorKind::invalid_argument);
        const Place place;
        CHECK_NOTHROW(place.apply(TarBuilder().file("f", "x").link("f", "f")));
        CHECK(place.read("f") == "x");
    }

    TEST_CASE("a file in the way of a path is an error, not a directory") {
        CHECK(Place().refuses(TarBuilder().file("f").file("f/g")) == ErrorKind::failed_precondition);
    }

    TEST_CASE("names that no file system can hold are refused with the entry's name") {
        const std::string longest(255, 'n');
        const std::string longer(256, 'n');
        const auto refuses = [](const TarBuilder& tar, const std::string& name) {
            for (const Whiteouts whiteouts : {Whiteouts::plain, Whiteouts::overlay}) {
                CAPTURE(name);
                try {
                    Place().apply(tar, whiteouts);
                    FAIL_CHECK("was accepted");
                } catch (const Error& error) {
                    CHECK(error.kind() == ErrorKind::invalid_argument);
                    CHECK(error.message().find(name) != std::string::npos);
                }
            }
        };
        refuses(TarBuilder().symlink("", "link"), "link");
        refuses(TarBuilder().link("", "link"), "link");
        refuses(TarBuilder().file(longer), longer);
        refuses(TarBuilder().dir(longer + "/"), longer);
        refuses(TarBuilder().file("d/" + longer + "/f"), longer);
        refuses(TarBuilder().file("f").link(longer, "link"), "link");
        refuses(TarBuilder().file("f").link(longer + "/f", "link"), "link");
        refuses(TarBuilder().symlink(longer, "s").file("s/f"), "s/f");
        Place().apply(TarBuilder().file(longest).file("d/" + longest + "/f").symlink(longer, "s"));
    }

    TEST_CASE("the depth of directories counts where they are, not what leads there") {
        std::string steps = "d";
        for (int i = 1; i < 200; ++i)
            steps += "/d";
        TarBuilder tar;
        std::string here = steps;
        tar.dir(here);
        for (int i = 0; i < 10; ++i) {
            const std::string link = cat("l", i);
            tar.symlink(here, link);
            here = cat(link, "/", steps);
            tar.dir(here);
        }
        for (const Whiteouts whiteouts : {Whiteouts::plain, Whiteouts::overlay}) {
            const Place place;
            CHECK(place.refuses(tar, whiteouts) == ErrorKind::resource_exhausted);
            CHECK(place.names().size() < 300);
        }
    }

    TEST_CASE("limits name what was too much") {
        const auto limited = [](const Limits& limits, const TarBuilder& tar) {
            const Place place;
            const std::string text = tar.str();
            StringSource source(text);
            try {
                Budget budget(limits);
                apply(source, place.root.get(), {}, budget, {});
            } catch (const Error& error) {
                return error.kind();
            }
            return ErrorKind::internal;
        };
        CHECK(limited({.bytes = 10}, TarBuilder().file("f", std::string(11, 'x'))) == ErrorKind::resource_exhausted);
        CHECK(limited({.entries = 2}, TarBuilder().file("a").file("b").file("c")) == ErrorKind::resource_exhausted);
        CHECK(limited({.path = 5}, TarBuilder().file("abcdef")) == ErrorKind::resource_exhausted);
        CHECK(limited({.path = 8}, TarBuilder().dir("aaaa/bb").symlink("aaaa/bb", "s").file("s/f")) ==
              ErrorKind::resource_exhausted);
        CHECK(limited({.depth = 3}, TarBuilder().file("a/b/c/d")) == ErrorKind::resource_exhausted);
        CHECK(limited({.depth = 3}, TarBuilder().file("a/b/c").symlink("a/b", "s").file("s/d/e")) ==
              ErrorKind::resource_exhausted);
        CHECK(limited({.memory = 10'000}, many_directories(100)) == ErrorKind::resource_exhausted);
        CHECK(limited({.memory = 10'000}, many_directories(10)) == ErrorKind::internal);
    }

    TEST_CASE("both resolvers find the same directories") {
        const Place place;
        place.apply(TarBuilder()
                        .dir("a/")
                        .dir("a/b/")
                        .symlink("a/b", "to-b")
                        .symlink("/to-b", "chain")
                        .symlink("loop", "loop")
                        .file("file"));
        struct Nobody final : Root::Observer {
            void changing(const Directory& /*parent*/) override {}
            void made(const Directory& /*parent*/, const std::string& /*name*/, int /*fd*/,
                      bool /*over_whiteout*/) override {}
        } nobody;
        for (const Resolver resolver : {Resolver::kernel, Resolver::walker}) {
            Root root(place.root.get(), 5, resolver);
            CHECK(root.find("a/b")->path == "a/b");
            CHECK(root.find("chain")->path == "a/b");
            CHECK(root.find("chain/..")->path == "a");
            CHECK(root.find("../../a")->path == "a");
            CHECK(root.find_itself("a/b")->path == "a/b");
            for (const char* other : {"chain", "loop", "file", "file/x", "none", "to-b/x"})
                CHECK(root.find_itself(other) == nullptr);
            CHECK(root.find("none") == nullptr);
            CHECK(root.find("none/../a")->path == "a");
            CHECK_THROWS_AS(root.find("loop/x"), Error);
            CHECK(root.find("file/x") == nullptr);
            CHECK(root.make("file/x", nobody) == nullptr);
            CHECK(root.make("chain/new/deep", nobody)->path == "a/b/new/deep");
            CHECK_THROWS_AS(root.make("chain/new/deep/er/est", nobody), Error);
            CHECK_THROWS_AS(root.make("a/b/new/deep/er/est", nobody), Error);
            CHECK(root.find("a/b/new/deep/er") == nullptr);
            remove_tree(place.root.get(), "a/b/new");
        }
    }
}
