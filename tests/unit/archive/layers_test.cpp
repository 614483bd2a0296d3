// SPDX-License-Identifier: Apache-2.0
// Layers that remove and make again, in every order (safety.md 1.5): one tree that they are applied to one after the
// other, and what overlayfs shows of layers that were made independently, are the same and what was meant.
#include "archive/flat_writer.hpp"
#include "archive/flatten.hpp"
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
using Names = std::set<std::string>;

struct Case {
    std::string name;
    std::vector<Build> layers;
    Names expected;
    int needed_lower = 0; // layers that cannot be made alone
};

void base(TarBuilder& tar) {
    tar.add({.type = '5', .name = "d/", .mode = 0711, .uid = 3, .gid = 4, .mtime = 1'500'000'000})
        .file("d/old", "old")
        .dir("d/sub/", 0700)
        .file("d/sub/old", "old")
        .file("f", "old");
}

void with_link(TarBuilder& tar) {
    tar.dir("d/").symlink("d", "l");
}

const std::vector<Case> cases{
    // What broke parallel unpacking elsewhere.
    {"removed in one layer, made again in the next",
     {base, [](TarBuilder& t) { t.file(".wh.d"); }, [](TarBuilder& t) { t.dir("d/").file("d/new"); }},
     {"d", "d/new", "f"}},
    {"removed in one layer, passed through in the next",
     {base, [](TarBuilder& t) { t.file(".wh.d"); }, [](TarBuilder& t) { t.file("d/sub/new"); }},
     {"d", "d/sub", "d/sub/new", "f"}},
    {"removed, made again, added to by a fourth",
     {base, [](TarBuilder& t) { t.file(".wh.d"); }, [](TarBuilder& t) { t.dir("d/", 0750).file("d/new"); },
      [](TarBuilder& t) { t.file("d/newer").file("d/sub/newer"); }},
     {"d", "d/new", "d/newer", "d/sub", "d/sub/newer", "f"}},
    {"a directory below the removed one, in the same and in the next layer",
     {base, [](TarBuilder& t) { t.file("d/.wh.sub").file("d/sub/new"); }, [](TarBuilder& t) { t.file("d/sub/newer"); }},
     {"d", "d/old", "d/sub", "d/sub/new", "d/sub/newer", "f"}},
    {"the whiteout after the directory that is made again",
     {base, [](TarBuilder& t) { t.dir("d/").file("d/new").file(".wh.d"); }},
     {"d", "d/new", "f"}},
    {"the whiteout before the directory that is made again",
     {base, [](TarBuilder& t) { t.file(".wh.d").dir("d/").file("d/new"); }},
     {"d", "d/new", "f"}},
    {"the whiteout between the directory and what lies in it",
     {base, [](TarBuilder& t) { t.dir("d/").file(".wh.d").file("d/new"); }},
     {"d", "d/new", "f"}},
    {"the whiteout after the file of its name",
     {base, [](TarBuilder& t) { t.file("f", "new").file(".wh.f"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "f"}},
    {"the same whiteout twice",
     {base, [](TarBuilder& t) { t.file(".wh.f").file("x").file(".wh.f"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "x"}},
    {"a whiteout, a file, the whiteout again",
     {base, [](TarBuilder& t) { t.file(".wh.f").file("f", "new").file(".wh.f"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "f"}},
    {"the marker after siblings",
     {base, [](TarBuilder& t) { t.file("d/sub/new").file("d/new").file("d/.wh..wh..opq"); }},
     {"d", "d/new", "d/sub", "d/sub/new", "f"}},
    {"the marker before siblings",
     {base, [](TarBuilder& t) { t.file("d/.wh..wh..opq").file("d/sub/new").file("d/new"); }},
     {"d", "d/new", "d/sub", "d/sub/new", "f"}},
    {"the marker and a whiteout of a sibling's name",
     {base, [](TarBuilder& t) { t.file("d/old", "new").file("d/.wh..wh..opq").file("d/.wh.old").file("d/.wh.sub"); }},
     {"d", "d/old", "f"}},
    {"the marker in one layer, its names in the next",
     {base, [](TarBuilder& t) { t.file("d/.wh..wh..opq"); }, [](TarBuilder& t) { t.file("d/sub/new"); }},
     {"d", "d/sub", "d/sub/new", "f"}},
    {"the marker of a directory below one that is marked",
     {base, [](TarBuilder& t) { t.file("d/sub/.wh..wh..opq").file("d/.wh..wh..opq").file("d/sub/new"); }},
     {"d", "d/sub", "d/sub/new", "f"}},
    {"the marker of a directory that no lower layer has",
     {base, [](TarBuilder& t) { t.file("n/.wh..wh..opq").file("n/x"); }, [](TarBuilder& t) { t.file("n/y"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "f", "n", "n/x", "n/y"}},
    {"the marker of the root",
     {base, [](TarBuilder& t) { t.file("new").file(".wh..wh..opq").file("d/new"); },
      [](TarBuilder& t) { t.file("newer"); }},
     {"d", "d/new", "new", "newer"}},
    // Where no directory lies below, the kernel would list the device.
    {"whiteouts of nothing in the bottom layer",
     {[](TarBuilder& t) { t.file(".wh.none").file("d/.wh.none").file("d/x"); }},
     {"d", "d/x"}},
    {"whiteouts of nothing in a directory that is new",
     {base,
      [](TarBuilder& t) {
          t.add({.type = '5', .name = "n/", .mtime = 1'500'000'000}).file("n/.wh.none").file("n/m/.wh.none");
      }},
     {"d", "d/old", "d/sub", "d/sub/old", "f", "n", "n/m"}},
    {"whiteouts of what is gone already",
     {base, [](TarBuilder& t) { t.file(".wh.d").file(".wh.f"); },
      [](TarBuilder& t) { t.file(".wh.d").file("f/.wh.x").file("d/.wh.old"); }},
     {"d", "f"}},
    {"a whiteout in a directory that the layer makes a file of later",
     {base, [](TarBuilder& t) { t.file("d/.wh.old").file("d", "file"); }},
     {"d", "f"}},
    {"a whiteout of what the layer below made only by passing through",
     {[](TarBuilder& t) { t.file("a/b/c"); }, [](TarBuilder& t) { t.file("a/.wh.b").file("a/b/d"); }},
     {"a", "a/b", "a/b/d"}},
    {"a file where a directory was, and a directory again",
     {base, [](TarBuilder& t) { t.file("d", "file"); }, [](TarBuilder& t) { t.dir("d/").file("d/new"); },
      [](TarBuilder& t) { t.file("d/newer"); }},
     {"d", "d/new", "d/newer", "f"}},
    {"a directory where a file was",
     {base, [](TarBuilder& t) { t.dir("f/").file("f/x"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "f", "f/x"}},
    {"a link where a directory was, and a whiteout of it",
     {base, [](TarBuilder& t) { t.symlink("f", "d"); }, [](TarBuilder& t) { t.file(".wh.d"); },
      [](TarBuilder& t) { t.file("d/new"); }},
     {"d", "d/new", "f"}},
    {"names that aufs keeps for itself",
     {base, [](TarBuilder& t) { t.file(".wh..wh.plnk").file(".wh..wh.aufs").file("d/.wh..wh.x").file("n"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "f", "n"}},
    // What the path led through when it did is what counts, whatever becomes of it later.
    {"through a link, which is then removed",
     {with_link, [](TarBuilder& t) { t.file("l/x").file(".wh.l"); }},
     {"d", "d/x"},
     1},
    {"through a link, which is then a directory",
     {with_link, [](TarBuilder& t) { t.file("l/x").dir("l/"); }},
     {"d", "d/x", "l"},
     1},
    {"through a link, which is then a file",
     {with_link, [](TarBuilder& t) { t.file("l/x").file("l"); }},
     {"d", "d/x", "l"},
     1},
    {"through a link in a directory that is then removed",
     {[](TarBuilder& t) { t.dir("d/").symlink("/d", "e/l"); }, [](TarBuilder& t) { t.file("e/l/x").file(".wh.e"); }},
     {"d", "d/x"},
     1},
    {"through a link in a directory that is then marked",
     {[](TarBuilder& t) { t.dir("d/").symlink("/d", "e/l"); },
      [](TarBuilder& t) { t.file("e/l/x").file("e/.wh..wh..opq"); }},
     {"d", "d/x", "e"},
     1},
    {"through a link, and a hard link to the link",
     {with_link, [](TarBuilder& t) { t.file("l/x").link("l", "m"); }},
     {"d", "d/x", "l", "m"},
     1},
    {"not through a link that was removed before",
     {with_link, [](TarBuilder& t) { t.file(".wh.l").file("l/x"); }},
     {"d", "l", "l/x"}},
    {"not through a link in a directory that was removed before",
     {[](TarBuilder& t) { t.dir("d/").symlink("/d", "e/l"); }, [](TarBuilder& t) { t.file(".wh.e").file("e/l/x"); }},
     {"d", "e", "e/l", "e/l/x"}},
    {"a hard link to a file two layers below",
     {base, [](TarBuilder& t) { t.file("x"); }, [](TarBuilder& t) { t.link("d/sub/old", "linked"); }},
     {"d", "d/old", "d/sub", "d/sub/old", "f", "linked", "x"},
     1},
    {"a hard link to a file below, whose directory is then marked",
     {base, [](TarBuilder& t) { t.link("d/old", "kept").file("d/.wh..wh..opq"); }},
     {"d", "f", "kept"},
     1},
    {"a hard link to a file below, which is then removed",
     {base, [](TarBuilder& t) { t.link("d/old", "d/kept").file("d/.wh.old"); },
      [](TarBuilder& t) { t.link("d/kept", "more"); }},
     {"d", "d/kept", "d/sub", "d/sub/old", "f", "more"},
     2},
    {"a removed directory made again with a hard link to another layer's file",
     {base, [](TarBuilder& t) { t.file(".wh.d").dir("d/").link("f", "d/new"); },
      [](TarBuilder& t) { t.file(".wh.d").file("d/x"); }},
     {"d", "d/x", "f"},
     1},
};

TarBuilder made(Build build) {
    TarBuilder tar;
    build(tar);
    return tar;
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("layers that remove and make again, one after the other in one tree") {
        for (const Case& one : cases) {
            CAPTURE(one.name);
            const Place place;
            for (const Build& layer : one.layers)
                place.apply(made(layer));
            CHECK(place.names() == one.expected);
            CHECK(place.outside_untouched());
        }
    }

    TEST_CASE("layers that remove and make again, independently of each other") {
        if (!root_user())
            return;
        for (const Case& one : cases) {
            CAPTURE(one.name);
            const Place place;
            Stacked stack;
            for (const Build& layer : one.layers) {
                place.apply(made(layer));
                stack.add(made(layer));
            }
            stack.see([&](const Tree& tree) {
                CHECK(tree.names() == one.expected);
                CHECK(test::differences(tree, place) == "");
            });
            CHECK(stack.needed_lower == one.needed_lower);
            CHECK(stack.outside_untouched());
        }
    }

    TEST_CASE("layers that remove and make again, without a directory and as one tar") {
        if (!root_user())
            return;
        for (const Case& one : cases) {
            CAPTURE(one.name);
            const Place place;
            REQUIRE(::fchmod(place.root.get(), 0755) == 0);
            FlatTree tree;
            Budget budget({});
            for (std::size_t i = 0; i < one.layers.size(); ++i) {
                place.apply(made(one.layers[i]));
                const std::string tar = made(one.layers[i]).str();
                StringSource source(tar);
                flatten(source, static_cast<std::uint32_t>(i), tree, budget, {});
            }
            const ReadLayer read = [&](std::uint32_t layer, const std::function<void(Source&)>& work) {
                const std::string tar = made(one.layers[layer]).str();
                StringSource source(tar);
                work(source);
            };
            StringSink flat(1 << 20, "tar");
            write_flat(tree, read, flat, {});
            const Place again;
            TarBuilder tar;
            again.apply(tar.raw(flat.take()));
            CHECK(test::differences(again, place) == "");
        }
    }
}
