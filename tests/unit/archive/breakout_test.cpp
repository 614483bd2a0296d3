// SPDX-License-Identifier: Apache-2.0
// The cases of registry-and-unpack.md 5.4 by its names: what was there, an archive, what is there then; in one tree and
// as layers that overlayfs stacks. Whatever else a case expects, nothing outside the root changes.
#include <atomic>
#include <thread>

#include "unit/archive/place.hpp"

using namespace lade;
using namespace lade::archive;
using test::Place;
using test::root_user;
using test::Stacked;
using test::TarBuilder;
using test::Tree;

namespace {

using Build = void (*)(TarBuilder&);
using Check = void (*)(const Tree&);

struct Case {
    std::string name;
    Build before; // nullptr: etc/passwd alone, which may as well come with the archive
    Build archive;
    Check expect;
};

void passwd(TarBuilder& tar) {
    tar.dir("etc/").file("etc/passwd", "inside");
}

void with_link(TarBuilder& tar) {
    passwd(tar);
    tar.symlink("/etc", "localetc");
}

void unbroken(const Tree& tree) {
    CHECK(tree.read("etc/unbroken") == "x");
}

template <const char* const& name>
void same_as_passwd(const Tree& tree) {
    CHECK(tree.same(name, "etc/passwd"));
    CHECK(tree.read(name) == "inside");
}

const char* const in_breakouts = "breakouts/mypasswd";
const char* const at_top = "localpasswd";
const char* const in_localetc = "localetc/localpasswd";
const char* const in_etc = "etc/localpasswd";

const std::vector<Case> cases{
    {"SymlinkAbsolute", nullptr, [](TarBuilder& t) { t.symlink("/etc", "localetc").file("localetc/unbroken", "x"); },
     unbroken},
    {"SymlinkUpAndOut", nullptr,
     [](TarBuilder& t) { t.symlink("/dummy/../etc", "localetc").file("localetc/unbroken", "x"); }, unbroken},
    {"SymlinkMultipleAbsolute", nullptr,
     [](TarBuilder& t) {
         t.symlink("/etc", "dummy/etc").symlink("/dummy/etc", "localetc").file("dummy/etc/unbroken", "x");
     },
     unbroken},
    {"SymlinkMultipleRelative", nullptr,
     [](TarBuilder& t) {
         t.symlink("/etc", "dummy/etc").symlink("./dummy/etc", "localetc").file("dummy/etc/unbroken", "x");
     },
     unbroken},
    {"out by dots in the name", nullptr, [](TarBuilder& t) { t.file("../../../etc/unbroken", "x"); }, unbroken},
    {"out by a relative link", nullptr,
     [](TarBuilder& t) { t.symlink("../../../../etc", "d/l").file("d/l/unbroken", "x"); }, unbroken},
    {"SymlinkEmptyFile",
     [](TarBuilder& t) { t.dir("etc/").file("etc/emptied", "notempty").file("etc/passwd", "inside"); },
     [](TarBuilder& t) { t.symlink("/etc", "localetc").file("localetc/emptied"); },
     [](const Tree& tree) { CHECK(tree.read("etc/emptied").empty()); }},
    {"HardlinkRelative", nullptr,
     [](TarBuilder& t) { t.symlink("../../etc", "breakouts/d1").link("/breakouts/d1/passwd", "breakouts/mypasswd"); },
     same_as_passwd<in_breakouts>},
    {"HardlinkDownAndOut", nullptr,
     [](TarBuilder& t) {
         t.dir("breakouts/")
             .dir("downandout/")
             .symlink("../downandout/../../etc", "breakouts/d1")
             .link("/breakouts/d1/passwd", "breakouts/mypasswd");
     },
     same_as_passwd<in_breakouts>},
    {"HardlinkAbsolute", nullptr,
     [](TarBuilder& t) { t.symlink("/etc", "localetc").link("/localetc/passwd", "localpasswd"); },
     same_as_passwd<at_top>},
    {"HardlinkRelativeLong", nullptr,
     [](TarBuilder& t) { t.symlink("../../../../../../../etc", "localetc").link("/localetc/passwd", "localpasswd"); },
     same_as_passwd<at_top>},
    {"HardlinkRelativeUpAndOut", nullptr,
     [](TarBuilder& t) { t.symlink("upandout/../../../etc", "localetc").link("/localetc/passwd", "localpasswd"); },
     same_as_passwd<at_top>},
    {"HardlinkDirectRelative", nullptr, [](TarBuilder& t) { t.link("../../../../../etc/passwd", "localpasswd"); },
     same_as_passwd<at_top>},
    {"HardlinkDirectAbsolute", nullptr, [](TarBuilder& t) { t.link("/etc/passwd", "localpasswd"); },
     same_as_passwd<at_top>},
    {"SymlinkParentDirectory", nullptr,
     [](TarBuilder& t) { t.symlink("/etc/", "..").link("/etc/passwd", "localpasswd"); }, same_as_passwd<at_top>},
    {"SymlinkEmptyFilename", nullptr, [](TarBuilder& t) { t.symlink("/etc/", "").link("/etc/passwd", "localpasswd"); },
     same_as_passwd<at_top>},
    {"SymlinkParentRelative", nullptr,
     [](TarBuilder& t) { t.symlink("/etc/", "localetc/sub/..").link("/etc/passwd", "localetc/localpasswd"); },
     [](const Tree& tree) {
         CHECK(tree.target("localetc") == "/etc/");
         same_as_passwd<in_etc>(tree);
     }},
    {"SymlinkSlashEnded", nullptr,
     [](TarBuilder& t) { t.dir("localetc/").link("/etc/passwd", "localetc/localpasswd"); },
     same_as_passwd<in_localetc>},
    {"SymlinkOverrideDirectory",
     [](TarBuilder& t) {
         passwd(t);
         t.dir("localetc/");
     },
     [](TarBuilder& t) { t.symlink("/etc", "localetc").link("/etc/passwd", "localetc/localpasswd"); },
     [](const Tree& tree) {
         CHECK(tree.is_link("localetc"));
         same_as_passwd<in_etc>(tree);
     }},
    {"SymlinkOverrideDirectoryRelative",
     [](TarBuilder& t) {
         passwd(t);
         t.dir("localetc/").file("localetc/f");
     },
     [](TarBuilder& t) { t.symlink("../../etc", "localetc").link("/etc/passwd", "localetc/localpasswd"); },
     [](const Tree& tree) {
         CHECK(tree.is_link("localetc"));
         same_as_passwd<in_etc>(tree);
     }},
    {"DirectoryOverrideSymlink", with_link,
     [](TarBuilder& t) { t.dir("localetc/").link("/etc/passwd", "localetc/localpasswd"); },
     [](const Tree& tree) {
         CHECK_FALSE(tree.is_link("localetc"));
         CHECK_FALSE(tree.exists("etc/localpasswd"));
         same_as_passwd<in_localetc>(tree);
     }},
    {"DirectoryOverrideSymlinkAndHardlink",
     [](TarBuilder& t) {
         passwd(t);
         t.symlink("etc", "localetc").link("/etc/passwd", "localetc/localpasswd");
     },
     [](TarBuilder& t) { t.dir("localetc/").file("localetc/localpasswd", "new"); },
     [](const Tree& tree) {
         CHECK_FALSE(tree.same("localetc/localpasswd", "etc/passwd"));
         CHECK(tree.read("localetc/localpasswd") == "new");
         CHECK(tree.read("etc/passwd") == "inside");
     }},
    {"WhiteoutSymlink", with_link, [](TarBuilder& t) { t.file(".wh.localetc"); },
     [](const Tree& tree) {
         CHECK_FALSE(tree.exists("localetc"));
         CHECK(tree.read("etc/passwd") == "inside");
     }},
    {"WhiteoutSymlinkPath",
     [](TarBuilder& t) {
         with_link(t);
         t.file("etc/whitedout");
     },
     [](TarBuilder& t) { t.file("localetc/.wh.whitedout"); },
     [](const Tree& tree) {
         CHECK(tree.names() == std::set<std::string>{"etc", "etc/passwd", "localetc"});
         CHECK(tree.is_link("localetc"));
     }},
    {"WhiteoutDirectoryName", nullptr, [](TarBuilder& t) { t.file(".wh.etc/somefile", "x"); },
     [](const Tree& tree) {
         CHECK(tree.read(".wh.etc/somefile") == "x");
         CHECK(tree.read("etc/passwd") == "inside");
     }},
    {"WhiteoutDeadSymlinkParent",
     [](TarBuilder& t) {
         passwd(t);
         t.symlink("/dne", "localetc");
     },
     [](TarBuilder& t) { t.file("localetc/.wh.etc"); },
     [](const Tree& tree) {
         CHECK(tree.is_link("localetc"));
         CHECK(tree.read("etc/passwd") == "inside");
     }},
    {"WhiteoutRelativePath",
     [](TarBuilder& t) {
         passwd(t);
         t.file("kept");
     },
     [](TarBuilder& t) { t.file("dne/../.wh.etc"); },
     [](const Tree& tree) { CHECK(tree.names() == std::set<std::string>{"kept"}); }},
    {"SymlinkOverridePath", nullptr,
     [](TarBuilder& t) {
         t.dir("foo/")
             .dir("foo/tmp/")
             .file("foo/tmp/f", "A")
             .symlink("/", "foo")
             .file("foo/tmp/f", "B")
             .dir("foo/")
             .dir("foo/tmp/")
             .file("foo/tmp/f", "C");
     },
     [](const Tree& tree) {
         CHECK(tree.read("foo/tmp/f") == "C");
         CHECK(tree.read("tmp/f") == "B");
     }},
    {"HardlinkSymlinkBeforeCreateTarget", [](TarBuilder& t) { t.dir("etc/"); },
     [](TarBuilder& t) { t.symlink("/etc/passwd", "a").link("a", "b").file("etc/passwd", "inside"); },
     [](const Tree& tree) {
         CHECK(tree.target("b") == "/etc/passwd");
         CHECK(tree.same("a", "b"));
         CHECK(tree.read("etc/passwd") == "inside");
     }},
    {"HardlinkSymlinkRelative", nullptr,
     [](TarBuilder& t) { t.symlink("../../../../../etc/passwd", "passwdlink").link("/passwdlink", "localpasswd"); },
     [](const Tree& tree) { CHECK(tree.target("localpasswd") == "../../../../../etc/passwd"); }},
    {"HardlinkSymlinkAbsolute", nullptr,
     [](TarBuilder& t) { t.symlink("/etc/passwd", "passwdlink").link("/passwdlink", "localpasswd"); },
     [](const Tree& tree) { CHECK(tree.target("localpasswd") == "/etc/passwd"); }},
    {"the root is never replaced (CVE-2021-29136)", nullptr,
     [](TarBuilder& t) {
         for (const char* name : {"", ".", "./", "/", "..", "../", "/.."})
             t.symlink("/etc", name).file(name, "x").add({.type = '6', .name = name}).link("etc/passwd", name);
     },
     [](const Tree& tree) {
         CHECK(S_ISDIR(tree.stat("").st_mode));
         CHECK(tree.names() == std::set<std::string>{"etc", "etc/passwd"});
     }},
    {"a file over one name of a hard link",
     [](TarBuilder& t) {
         passwd(t);
         t.link("etc/passwd", "etc/passwd-");
     },
     [](TarBuilder& t) { t.file("etc/passwd", "new"); },
     [](const Tree& tree) {
         CHECK(tree.read("etc/passwd") == "new");
         CHECK(tree.read("etc/passwd-") == "inside");
     }},
    {"a file over a link to a file of the root", // O_EXCL: never through the link
     [](TarBuilder& t) {
         passwd(t);
         t.symlink("/etc/passwd", "l");
     },
     [](TarBuilder& t) { t.file("l", "new"); },
     [](const Tree& tree) {
         CHECK(tree.read("l") == "new");
         CHECK(tree.read("etc/passwd") == "inside");
     }},
    {"a directory over a link to a directory, whose mode stays (CVE-2021-32760)", with_link,
     [](TarBuilder& t) { t.dir("localetc/", 0700); },
     [](const Tree& tree) {
         CHECK((tree.stat("localetc").st_mode & 07777U) == 0700);
         CHECK((tree.stat("etc").st_mode & 07777U) == 0755);
     }},
};

TarBuilder made(Build build) {
    TarBuilder tar;
    build(tar);
    return tar;
}

TarBuilder before(const Case& one) {
    return made(one.before == nullptr ? passwd : one.before);
}

TarBuilder all_in_one(const Case& one) {
    TarBuilder tar = before(one);
    one.archive(tar);
    return tar;
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("breakouts, applied to one tree") {
        for (const Case& one : cases) {
            CAPTURE(one.name);
            const Place place;
            place.apply(before(one));
            place.apply(made(one.archive));
            one.expect(place);
            CHECK(place.outside_untouched());
            if (one.before != nullptr)
                continue;
            const Place single;
            single.apply(all_in_one(one));
            one.expect(single);
            CHECK(single.outside_untouched());
        }
        CHECK_FALSE(std::filesystem::exists("/etc/unbroken"));
    }

    TEST_CASE("breakouts, applied as layers") {
        if (!root_user())
            return;
        for (const Case& one : cases) {
            CAPTURE(one.name);
            Stacked stack;
            stack.add(before(one));
            stack.add(made(one.archive));
            stack.see(one.expect);
            CHECK(stack.outside_untouched());
            if (one.before != nullptr)
                continue;
            Stacked single;
            single.add(all_in_one(one));
            single.see(one.expect);
            CHECK(single.needed_lower == 0);
            CHECK(single.outside_untouched());
        }
        CHECK_FALSE(std::filesystem::exists("/etc/unbroken"));
    }

    TEST_CASE("WhiteoutRootParent, WhiteoutParent, WhiteoutRoot, WhiteoutCurrentDirectory") {
        for (const char* name : {".wh...", "etc/.wh...", ".wh..", "etc/.wh..", ".wh.", "etc/.wh."})
            for (const Whiteouts form : {Whiteouts::plain, Whiteouts::overlay}) {
                CAPTURE(name);
                const Place place;
                CHECK(place.refuses(made(passwd).file(name), form) == ErrorKind::invalid_argument);
                CHECK(place.read("etc/passwd") == "inside");
                CHECK(place.outside_untouched());
            }
    }

    TEST_CASE("HardlinkSymlinkChmod") {
        for (const Whiteouts form : {Whiteouts::plain, Whiteouts::overlay}) {
            const Place place;
            const std::string outside = place.outside("etc/passwd");
            REQUIRE(::chmod(outside.c_str(), 0400) == 0);
            const auto before = place.stat("../etc/passwd");
            place.apply(
                TarBuilder().symlink(outside, "l").add({.type = '1', .name = "h", .link = "l", .mode = 0777, .uid = 7}),
                form);
            CHECK(place.target("h") == outside);
            const auto after = place.stat("../etc/passwd");
            CHECK(after.st_mode == before.st_mode);
            CHECK(after.st_uid == before.st_uid);
            CHECK(after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
        }
    }

    // Somebody in the root who turns a directory into a way out, and back, while the layer is applied into it.
    TEST_CASE("a directory that is swapped for a link meanwhile leads nowhere (CVE-2018-15664)") {
        TarBuilder tar;
        for (int i = 0; i < 2'000; ++i)
            tar.file(cat("d/e/f", i), "x").file(cat("other-", i % 40, "/x")).file(cat("d/.wh.g", i));
        for (const Whiteouts form : {Whiteouts::plain, Whiteouts::overlay}) {
            if (form == Whiteouts::overlay && !root_user())
                continue;
            const Place place;
            std::filesystem::create_directories(place.path("d/e"));
            std::filesystem::create_symlink(place.outside("etc"), place.path("way-out"));
            std::atomic<bool> done = false;
            std::thread hostile([&] {
                while (!done) {
                    static_cast<void>(::renameat2(place.root.get(), "way-out", place.root.get(), "d", RENAME_EXCHANGE));
                    static_cast<void>(
                        ::renameat2(place.root.get(), "way-out", place.root.get(), "d/e", RENAME_EXCHANGE));
                }
            });
            for (int round = 0; round < 5; ++round)
                static_cast<void>(place.refuses(tar, form)); // or not, as the swaps fall
            done = true;
            hostile.join();
            CHECK(place.outside_untouched());
        }
    }
}
