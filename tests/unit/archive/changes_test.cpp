// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <functional>

#include "archive/changes.hpp"
#include "unit/archive/trees.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::archive;
using test::layer_of;
using test::listing_of;
using Tree = test::SampleTree;
namespace fs = std::filesystem;

namespace {

// A lower tree, and a copy of it to be changed.
struct Pair {
    test::TemporaryDirectory place;
    Tree lower{place.path("lower")};

    explicit Pair(const std::function<void(const Tree&)>& build) {
        build(lower);
        lower.age();
    }
    Tree upper(const std::function<void(const Tree&)>& change) const {
        Tree tree = lower.copy(place.path("upper"));
        change(tree);
        return tree.same_time("", lower.stat(""));
    }
};

std::string listing(const std::function<void(const Tree&)>& build, const std::function<void(const Tree&)>& change) {
    const Pair pair(build);
    return listing_of(layer_of(pair.lower, pair.upper(change)));
}

// The same times as in the lower tree, so that what is changed besides shows.
void rewrite(const Tree& tree, const std::string& name, const std::string& data) {
    const struct stat before = tree.stat(name);
    tree.file(name, data, before.st_mode & 07777U).same_time(name, before);
}

bool is_root() {
    if (::geteuid() == 0)
        return true;
    MESSAGE("needs root");
    return false;
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("listings of the reference") {
        const auto nothing = [](const Tree&) {};
        CHECK(listing([](const Tree& t) { t.dir("d").file("d/f", "x").symlink("f", "d/l"); }, nothing).empty());

        CHECK(listing([](const Tree& t) { t.dir("d1").dir("d2").dir("d3"); },
                      [](const Tree& t) { t.dir("d1/d").file("d2/f"); }) == "d1/ d1/d/ d2/ d2/f");

        CHECK(listing(
                  [](const Tree& t) {
                      for (const char* d : {"d1", "d2", "d3", "d4", "d5", "d6"})
                          t.dir(d);
                      t.file("d1/f1", "link me").file("d2/f1", "x").file("d4/f1", "link me").file("d5/f1", "x");
                      t.file("d6/f1", "x").link("d6/f1", "d6/l1").link("d6/f1", "d6/l2");
                  },
                  [](const Tree& t) {
                      t.link("d1/f1", "d2/l1").link("d4/f1", "d3/l1").remove("d6/l1").remove("d6/l2");
                  }) == "d2/ d2/l1 d1/ d1/f1->d2/l1 d3/ d3/l1 d4/ d4/f1->d3/l1 d6/ d6/.wh.l1 d6/.wh.l2");

        CHECK(listing([](const Tree& t) { t.dir("d1").dir("d2").dir("d3"); },
                      [](const Tree& t) { t.chmod("d1", 0777).dir("d1/d").file("d2/f"); }) == "d1/ d1/d/ d2/ d2/f");

        CHECK(
            listing(
                [](const Tree& t) { t.dir("d1").file("d1/f1", "x").dir("d2").dir("d3").file("d3/f1", "y").dir("d4"); },
                [](const Tree& t) {
                    t.chmod("d1", 0777).link("d1/f1", "d2/l1").chmod("d4", 0777).link("d3/f1", "d4/l1");
                }) == "d1/ d2/ d2/l1 d1/f1->d2/l1 d4/ d4/l1 d3/ d3/f1->d4/l1");

        CHECK(listing(
                  [](const Tree& t) {
                      for (const char* d : {"d1", "d2", "d3", "d4", "d5"})
                          t.dir(d).file(cat(d, "/f1"), "x");
                  },
                  [](const Tree& t) {
                      t.remove("d1/f1").remove("d2/f1").file("d2/f2").remove("d3/f1").file("d3/f2");
                      t.remove("d4/f1").file("d4/f0").remove("d5");
                  }) == "d1/ d1/.wh.f1 d2/ d2/.wh.f1 d2/f2 d3/ d3/.wh.f1 d3/f2 d4/ d4/f0 d4/.wh.f1 .wh.d5");

        CHECK(listing([](const Tree& t) { t.dir("d1").file("d1/f").dir("d2").dir("d2/d"); },
                      [](const Tree& t) { t.remove("d1").remove("d2").dir("d3"); }) == ".wh.d1 .wh.d2 d3/");

        CHECK(listing([](const Tree& t) { t.file("f1"); },
                      [](const Tree& t) { t.file("f2").file("f3").socket("s"); }) == "f2 f3");
    }

    TEST_CASE("what counts as a change") {
        const auto build = [](const Tree& t) {
            t.dir("d").file("d/f", "content").file("whole", "content").symlink("one", "s").symlink("one", "t").dir("e");
            t.node("p", S_IFIFO | 0644U);
        };
        struct Case {
            std::string what;
            std::function<void(const Tree&)> change;
            std::string listing;
        };
        const auto at = [](const Tree& t, const std::string& name) { return t.stat(name); };
        const std::vector<Case> cases{
            {"nothing", [](const Tree&) {}, ""},
            {"added", [](const Tree& t) { t.file("n"); }, "n"},
            {"added, with what is in it", [](const Tree& t) { t.dir("n").dir("n/m").file("n/m/f"); }, "n/ n/m/ n/m/f"},
            {"removed", [](const Tree& t) { t.remove("whole"); }, ".wh.whole"},
            {"removed with what was in it: one whiteout", [](const Tree& t) { t.remove("d"); }, ".wh.d"},
            {"mode", [](const Tree& t) { t.chmod("d/f", 0600); }, "d/ d/f"},
            {"mode of a directory", [](const Tree& t) { t.chmod("d", 0700); }, "d/"},
            {"set-id bit", [](const Tree& t) { t.chmod("whole", 04644); }, "whole"},
            {"size", [&](const Tree& t) { rewrite(t, "d/f", "longer content"); }, "d/ d/f"},
            {"seconds", [&](const Tree& t) { t.time("d/f", 1'000'000'000, at(t, "d/f").st_mtim.tv_nsec); }, "d/ d/f"},
            {"nanoseconds", [&](const Tree& t) { t.time("d/f", at(t, "d/f").st_mtim.tv_sec, 999'999'999); }, "d/ d/f"},
            {"nanoseconds in one of the two only",
             [&](const Tree& t) {
                 const timespec before = at(t, "d/f").st_mtim;
                 t.time("d/f", before.tv_sec, before.tv_nsec == 0 ? 7 : 0);
             },
             "d/ d/f"},
            {"times of a directory", [](const Tree& t) { t.time("e", 1'000'000'000); }, "e/"},
            {"times of a link", [](const Tree& t) { t.time("s", 1'000'000'000); }, "s"},
            {"an xattr", [](const Tree& t) { t.xattr("whole", "user.key", "v"); }, "whole"},
            {"an xattr of a directory", [](const Tree& t) { t.xattr("e", "user.key", "v"); }, "e/"},
            {"overlayfs's own mark", [](const Tree& t) { t.xattr("e", "user.overlay.origin", "v"); }, ""},
            {"a directory became a file", [](const Tree& t) { t.remove("d").file("d", "x"); }, "d"},
            {"a file became a directory", [](const Tree& t) { t.remove("whole").dir("whole").file("whole/f"); },
             "whole/ whole/f"},
            {"a file became a link", [](const Tree& t) { t.remove("whole").symlink("d", "whole"); }, "whole"},
            {"a file became a socket: it is gone", [](const Tree& t) { t.remove("whole").socket("whole"); },
             ".wh.whole"},
            {"a directory became a link to one", [](const Tree& t) { t.remove("d").symlink("e", "d"); }, "d"},
        };
        for (const Case& one : cases) {
            INFO(one.what);
            CHECK(listing(build, one.change) == one.listing);
        }
    }

    TEST_CASE("times of whole seconds do not prove that nothing changed") {
        const Pair pair([](const Tree& t) { t.file("cut", "content").file("whole", "content").symlink("one", "s"); });
        for (const char* name : {"cut", "s"})
            pair.lower.time(name, 1'600'000'000);
        pair.lower.time("whole", 1'600'000'000, 1);
        const Tree upper = pair.upper([](const Tree& t) {
            rewrite(t, "cut", "CONTENT");
            rewrite(t, "whole", "CONTENT");
            t.remove("s").symlink("two", "s").time("s", 1'600'000'000);
        });
        CHECK(listing_of(layer_of(pair.lower, upper)) == "cut s");
        rewrite(upper, "cut", "content");
        CHECK(listing_of(layer_of(pair.lower, upper)) == "s");
    }

    TEST_CASE("in trees that share inodes a file that was touched is compared by what is in it") {
        const Pair pair([](const Tree& t) { t.file("f", "aaaa").file("g", "gggg"); });
        for (const char* name : {"f", "g"})
            pair.lower.time(name, 1'600'000'000, 1);
        const Tree upper = pair.upper([](const Tree& t) { rewrite(t, "f", "bbbb"); });
        const Fd below = pair.lower.open();
        const Fd above = upper.open();
        // All of a copy is another inode.
        CHECK(listing_of(layer_of({.lower = below.get(), .upper = above.get()})).empty());
        CHECK(listing_of(layer_of({.lower = below.get(), .upper = above.get(), .share_inodes = true})) == "f");
        CHECK(listing_of(layer_of({.lower = below.get(), .upper = above.get(), .marks = "trusted.overlay."})) == "f");
    }

    TEST_CASE("owners of what was written through a remapped mount are those of the container") {
        if (!is_root())
            return;
        const Pair pair([](const Tree& t) { t.dir("d").file("d/old", "x").file("d/kept", "x").file("same", "x"); });
        pair.lower.chown("same", 100'009, 100'009);
        const Tree upper = pair.upper([](const Tree& t) { t.dir("d/n").file("d/n/new", "x").remove("d/old"); });
        // What overlayfs has of it.
        const Tree layer(pair.place.path("layer"));
        layer.dir("d").dir("d/n").file("d/n/new").file("d/kept").node("d/old", S_IFCHR, 0, 0);
        for (const char* name : {"", "d", "d/n", "d/n/new", "d/kept"})
            upper.chown(name, 100'005, 100'006);
        for (const char* name : {"d", "d/kept"})
            upper.same_time(name, pair.lower.stat(name));
        const auto undo = [](struct stat& st) {
            if (st.st_uid < 100'000)
                throw Error(ErrorKind::failed_precondition, "owner ", st.st_uid, ':', st.st_gid);
            st.st_uid -= 100'000;
            st.st_gid -= 100'000;
        };
        const Fd below = pair.lower.open();
        const Fd above = upper.open();
        const Fd own = layer.open();
        Trees trees{.lower = below.get(), .upper = above.get()};
        trees.upper_remapped = {.layer = own.get(), .undo = undo};
        const std::vector<Entry> entries = test::entries_of(layer_of(trees));
        std::vector<std::string> names;
        for (const Entry& entry : entries) {
            names.push_back(entry.name);
            CHECK(entry.uid == (entry.name == "d/.wh.old" ? 0 : 5));
            CHECK(entry.gid == (entry.name == "d/.wh.old" ? 0 : 6));
        }
        CHECK(names == std::vector<std::string>{"./", "d/", "d/kept", "d/n/", "d/n/new", "d/.wh.old"});
        upper.chown("d/n/new", 7, 8);
        try {
            layer_of(trees);
            FAIL("no error");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::failed_precondition);
            CHECK(error.message() == "/d/n: new: owner 7:8");
        }
        // Without a layer directory the root alone is taken for remapped.
        trees.upper_remapped.layer = -1;
        for (const Entry& entry : test::entries_of(layer_of(trees)))
            if (entry.name == "./" || entry.name == "d/n/")
                CHECK(entry.uid == (entry.name == "./" ? 5 : 100'005));
    }

    TEST_CASE("large files with holes are compared by what is in them") {
        const Pair pair([](const Tree& t) {
            for (const char* name : {"same", "filled", "other"}) {
                t.file(name, "begin");
                fs::resize_file(t.path(name), 40'000'000);
            }
        });
        for (const char* name : {"same", "filled", "other"})
            pair.lower.time(name, 1'600'000'000);
        const Tree upper = pair.upper([](const Tree& t) {
            const auto put = [&](const std::string& name, const std::string& text, off_t offset) {
                const Fd file = open_at(AT_FDCWD, t.path(name), O_WRONLY);
                CHECK(::pwrite(file.get(), text.data(), text.size(), offset) == static_cast<ssize_t>(text.size()));
            };
            put("filled", std::string(1'000'000, '\0'), 20'000'000); // no hole there, and no change
            put("other", "x", 39'999'999);
            for (const char* name : {"filled", "other"})
                t.time(name, 1'600'000'000);
        });
        CHECK(listing_of(layer_of(pair.lower, upper)) == "other");
    }

    TEST_CASE("owners, devices and capabilities") {
        if (!is_root())
            return;
        const auto build = [](const Tree& t) { t.file("f", "x").file("g", "x").node("n", S_IFCHR | 0600U, 1, 3); };
        CHECK(listing(build, [](const Tree& t) { t.chown("f", 1, 0).chown("g", 0, 1); }) == "f g");
        CHECK(listing(build, [](const Tree& t) {
                  const struct stat st = t.stat("n");
                  t.remove("n").node("n", S_IFCHR | 0600U, 1, 5).same_time("n", st);
              }) == "n");
        const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        CHECK(listing(build, [&](const Tree& t) { t.xattr("f", "security.capability", capability); }) == "f");
        CHECK(listing(build, [&](const Tree& t) { t.xattr("g", "trusted.key", "v"); }) == "g");
        CHECK(listing(build, [&](const Tree& t) { t.xattr("g", "trusted.overlay.opaque", "y"); }).empty());
    }

    TEST_CASE("the root has an entry when it changed") {
        const Pair pair([](const Tree& t) { t.file("f"); });
        struct Case {
            std::string what;
            std::function<void(const Tree&)> change;
        };
        const std::vector<Case> cases{
            {"mode", [](const Tree& t) { t.chmod("", 0711); }},
            {"time", [](const Tree& t) { t.time("", 1'000'000'000); }},
            {"xattr", [](const Tree& t) { t.xattr("", "user.key", "v"); }},
        };
        for (const Case& one : cases) {
            INFO(one.what);
            const Tree upper = pair.upper([](const Tree&) {});
            one.change(upper);
            CHECK(listing_of(layer_of(pair.lower, upper)) == "./");
            fs::remove_all(upper.root());
        }
        const Fd only = pair.lower.open();
        CHECK(listing_of(layer_of({.lower = -1, .upper = only.get()})) == "./ f");
    }

    TEST_CASE("names are told in byte order, a directory before what is in it") {
        CHECK(listing([](const Tree&) {},
                      [](const Tree& t) {
                          t.dir("a").file("a/z").file("a-b").file("a.b").dir("a0").file("a0/\x01").file("\xff").file(
                              "A");
                      }) == "A a/ a/z a-b a.b a0/ a0/\x01 \xff");
    }

    TEST_CASE("hard links: what is one file in the upper tree comes out as one") {
        const auto build = [](const Tree& t) {
            t.dir("a").dir("b").file("a/1", "x").link("a/1", "a/2").link("a/1", "b/3").file("c", "x").file("d", "x");
        };
        SUBCASE("all names of a changed file") {
            CHECK(listing(build, [](const Tree& t) { t.chmod("a/1", 0600); }) == "a/ a/1 a/2->a/1 b/ b/3->a/1");
        }
        SUBCASE("a name that became a file of its own and is the same otherwise") {
            CHECK(listing(build, [](const Tree& t) {
                      const struct stat a = t.stat("a");
                      const struct stat st = t.stat("a/2");
                      t.remove("a/2").file("a/2", "x").same_time("a/2", st).same_time("a", a);
                  }) == "a/ a/2");
        }
        SUBCASE("two equal files that became one") {
            const Pair pair(build);
            for (const char* name : {"c", "d"})
                pair.lower.time(name, 1'600'000'000);
            CHECK(listing_of(layer_of(pair.lower, pair.upper([](const Tree& t) { t.remove("d").link("c", "d"); }))) ==
                  "d c->d");
        }
        SUBCASE("names that went") {
            CHECK(listing(build, [](const Tree& t) { t.remove("a/1").remove("b/3"); }) == "a/ a/.wh.1 b/ b/.wh.3");
        }
        SUBCASE("a new name in front of those that are there") {
            CHECK(listing(build, [](const Tree& t) { t.link("b/3", "0"); }) == "0 a/ a/1->0 a/2->0 b/ b/3->0");
        }
        SUBCASE("links of links") {
            CHECK(listing([](const Tree& t) { t.symlink("x", "1"); }, [](const Tree& t) { t.link("1", "2"); }) ==
                  "2 1->2");
        }
    }

    TEST_CASE("a name that means something else in a layer is refused where it would be told") {
        CHECK(listing([](const Tree& t) { t.file(".wh.a"); }, [](const Tree& t) { t.file("b"); }) == "b");
        for (const auto& change : std::vector<std::function<void(const Tree&)>>{
                 [](const Tree& t) { t.file(".wh.b"); }, [](const Tree& t) { t.dir(".wh.b"); },
                 [](const Tree& t) { t.remove(".wh.a"); }, [](const Tree& t) { t.file("d/.wh..wh..opq"); },
                 [](const Tree& t) { t.link("d/f", ".wh.f"); }})
            CHECK(test::kind_of([&] {
                      listing([](const Tree& t) { t.file(".wh.a").dir("d").file("d/f"); }, change);
                  }) == ErrorKind::failed_precondition);
    }

    TEST_CASE("what cannot be in a layer is warned of") {
        const Pair pair([](const Tree& t) { t.socket("old").file("f"); });
        const Tree upper = pair.upper([](const Tree& t) { t.socket("new").xattr("f", "user.a=b", "v"); });
        const Fd below = pair.lower.open();
        const Fd above = upper.open();
        StringSink sink(1 << 20, "layer");
        const Warnings warnings = write_layer({.lower = below.get(), .upper = above.get()}, sink, {}, {});
        CHECK(warnings.warnings == std::vector<std::string>{"f: xattr user.a=b is left out", "socket new is left out"});
        CHECK(listing_of(sink.take()) == "f");
        CHECK(listing([](const Tree& t) { t.socket("s"); }, [](const Tree& t) { t.remove("s"); }) == ".wh.s");
    }

    TEST_CASE("an access control list is left out, with a word, and the group gets no more than it had") {
        // Tag, permissions, id; the first four are the file's classes and the mask.
        const auto list = [](unsigned group, unsigned mask) {
            const auto entry = [](unsigned tag, unsigned permissions, const char* id) {
                return std::string{static_cast<char>(tag), '\0', static_cast<char>(permissions), '\0'} +
                       std::string(id, 4);
            };
            constexpr const char* nobody = "\xff\xff\xff\xff";
            return join({std::string("\2\0\0\0", 4), entry(1, 6, nobody), entry(2, 7, "\xe8\3\0\0"),
                         entry(4, group, nobody), entry(0x10, mask, nobody), entry(0x20, 0, nobody)},
                        "");
        };
        const Pair pair([](const Tree& t) { t.dir("d").file("f", "x", 0640).file("g", "x", 0640).file("same", "x"); });
        const std::string key = "system.posix_acl_access";
        if (::lsetxattr(pair.lower.path("same").c_str(), key.c_str(), list(4, 4).data(), list(4, 4).size(), 0) != 0) {
            MESSAGE("no access control lists here");
            return;
        }
        const Tree upper = pair.upper([&](const Tree& t) {
            t.xattr("f", key, list(4, 7)).xattr("g", key, list(7, 5)).xattr("same", key, list(4, 4));
            t.xattr("d", "system.posix_acl_default", list(5, 7));
        });
        CHECK((upper.stat("f").st_mode & 0777U) == 0670);
        const Fd below = pair.lower.open();
        const Fd above = upper.open();
        StringSink sink(1 << 20, "layer");
        const Warnings warnings = write_layer({.lower = below.get(), .upper = above.get()}, sink, {}, {});
        CHECK(warnings.warnings == std::vector<std::string>{"d: xattr system.posix_acl_default is left out",
                                                            "f: xattr system.posix_acl_access is left out",
                                                            "g: xattr system.posix_acl_access is left out"});
        std::map<std::string, unsigned> modes;
        for (const Entry& entry : test::entries_of(sink.take())) {
            modes[entry.name] = entry.mode;
            CHECK(entry.xattrs.empty());
        }
        CHECK(modes == std::map<std::string, unsigned>{{"d/", 0755}, {"f", 0640}, {"g", 0650}});
    }

    TEST_CASE("a file that becomes shorter is an error that names it") {
        const Pair pair([](const Tree&) {});
        const Tree upper = pair.upper([](const Tree& t) { t.dir("d").file("d/f", std::string(1'000'000, 'x')); });
        class Shortening final : public Sink {
        public:
            explicit Shortening(std::string path) : path_(std::move(path)) {}
            void write(std::span<const std::byte> bytes) override {
                total_ += bytes.size();
                fs::resize_file(path_, 1000);
            }
            std::size_t total_ = 0;

        private:
            std::string path_;
        } sink(upper.path("d/f"));
        const Fd below = pair.lower.open();
        const Fd above = upper.open();
        try {
            write_layer({.lower = below.get(), .upper = above.get()}, sink, {}, {});
            FAIL("no error");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::failed_precondition);
            CHECK(error.message() == "d/f: became shorter while it was read");
        }
    }

    TEST_CASE("comparing ends when it is asked to") {
        const Pair pair([](const Tree& t) { t.file("f"); });
        std::stop_source stop;
        stop.request_stop();
        Warnings warnings;
        const Fd root = pair.lower.open();
        CHECK(test::kind_of([&] {
                  compare(
                      {.lower = -1, .upper = root.get()}, [](const Change&) {}, warnings, stop.get_token());
              }) == ErrorKind::cancelled);
    }
}
