// SPDX-License-Identifier: Apache-2.0
// The flat tree by itself: paths, walks, memory, and how two of them differ. That it is the tree that apply() makes is
// shown by layers_test.cpp and the functional tests.
#include <doctest/doctest.h>

#include <functional>

#include "archive/entry_data.hpp"
#include "archive/flat_changes.hpp"
#include "archive/flatten.hpp"
#include "base/error.hpp"
#include "unit/archive/tar_builder.hpp"

using namespace lade;
using namespace lade::archive;
using test::TarBuilder;

namespace {

using Last = FlatTree::Last;

void add(FlatTree& tree, const TarBuilder& tar, std::uint32_t layer = 0, const Limits& limits = {}) {
    const std::string text = tar.str();
    StringSource source(text);
    Budget budget(limits);
    flatten(source, layer, tree, budget, {});
}

FlatTree made(const TarBuilder& tar) {
    FlatTree tree;
    add(tree, tar);
    return tree;
}

ErrorKind refused(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind();
    }
    return ErrorKind::internal;
}

std::string walked(const FlatTree& tree) {
    std::string paths;
    FlatWalk walk(tree, FlatTree::root, "/");
    while (walk.next())
        paths += walk.path() + " ";
    return paths;
}

std::string changes(const FlatTree& before, const FlatTree& after) {
    std::string text;
    compare_flat(
        before, after, [](FlatTree::Id, FlatTree::Id) { return false; },
        [&](const FlatChange& change) {
            text += change.before == FlatTree::none ? "+" : change.after == FlatTree::none ? "-" : "!";
            text += change.path + " ";
        });
    return text;
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("flat tree: where paths lead") {
        const FlatTree tree = made(TarBuilder()
                                       .dir("etc")
                                       .file("etc/f")
                                       .symlink("etc", "l")
                                       .symlink("/l/f", "a")
                                       .symlink("../../etc/f", "up")
                                       .symlink("loop", "loop")
                                       .symlink("no", "dead"));
        const auto file = tree.find("etc/f", Last::followed);
        REQUIRE(file);
        for (const char* path : {"/etc/f", "etc//./f", "l/f", "a", "up", "../etc/f", "etc/../l/f"})
            CHECK(tree.find(path, Last::followed) == file);
        CHECK(tree.find("a", Last::itself) != file);
        CHECK(tree.find("", Last::followed) == FlatTree::root);
        CHECK(tree.find("..", Last::followed) == FlatTree::root);
        CHECK(tree.find("l", Last::followed) == tree.find("etc", Last::itself));
        for (const char* path : {"none", "none/x", "dead", "etc/f/x", "etc/f/"})
            CHECK_FALSE(tree.find(path, Last::followed));
        CHECK(refused([&] { tree.find("loop", Last::followed); }) == ErrorKind::invalid_argument);
        CHECK(tree.link(*tree.find("loop", Last::itself)) == "loop");
    }

    TEST_CASE("flat tree: a walk is in the order of the names") {
        const FlatTree tree = made(TarBuilder().file("b").file("a/z").file("a.b").file("a/b/c"));
        CHECK(walked(tree) == "/ /a /a/b /a/b/c /a/z /a.b /b ");
        CHECK(comes_before("a/z", "a.b"));
        CHECK(comes_before("a", "a/b"));
        CHECK_FALSE(comes_before("a", "a"));
        CHECK(comes_before("a\x7f", "a\xff"));
    }

    TEST_CASE("flat tree: what is removed takes no memory") {
        FlatTree tree;
        const std::size_t empty = tree.memory();
        for (int i = 0; i < 3; ++i) {
            add(tree, TarBuilder()
                          .dir("d")
                          .file("d/a-rather-long-name-of-a-file")
                          .symlink("some/where/far/away/from/here", "d/l")
                          .link("d/a-rather-long-name-of-a-file", "x"));
            add(tree, TarBuilder().file(".wh.d").file(".wh.x"));
            CHECK(tree.memory() == empty);
        }
        CHECK(walked(tree) == "/ ");
    }

    TEST_CASE("flat tree: a copy goes its own way") {
        FlatTree one = made(TarBuilder().file("a").file("b"));
        FlatTree two = one;
        add(one, TarBuilder().file(".wh.a"));
        add(two, TarBuilder().file("c"));
        CHECK(walked(one) == "/ /b ");
        CHECK(walked(two) == "/ /a /b /c ");
        CHECK(changes(one, two) == "+a +c ");
    }

    TEST_CASE("flat tree: changes") {
        const FlatTree one =
            made(TarBuilder().dir("d").file("d/x", "1").file("f", "1").symlink("a", "l").dir("m", 0755).file("t"));
        const FlatTree two = made(TarBuilder().file("f", "2").symlink("b", "l").dir("m", 0700).dir("t").file("t/new"));
        CHECK(changes(one, two) == "-d -d/x !f !l !m !t +t/new ");
        CHECK(changes(one, one) == "!d/x !f ");
    }

    TEST_CASE("flat tree: limits") {
        TarBuilder many;
        for (int i = 0; i < 100; ++i)
            many.file("name-" + std::to_string(i));
        CHECK(refused([&] {
                  FlatTree tree;
                  add(tree, many, 0, {.memory = 5000});
              }) == ErrorKind::resource_exhausted);
        for (const Limits& limits : {Limits{.entries = 3}, Limits{.path = 5}, Limits{.depth = 2}})
            CHECK(refused([&] {
                      FlatTree tree;
                      add(tree, TarBuilder().file("a").file("b").file("c").file("a-b-c-d").dir("x/y/z"), 0, limits);
                  }) == ErrorKind::resource_exhausted);
    }

    TEST_CASE("flat tree: what is refused") {
        const auto kind = [](const TarBuilder& tar) {
            return refused([&] {
                FlatTree tree;
                add(tree, tar);
            });
        };
        CHECK(kind(TarBuilder().link("none", "l")) == ErrorKind::invalid_argument);
        CHECK(kind(TarBuilder().dir("d").link("d", "l")) == ErrorKind::invalid_argument);
        CHECK(kind(TarBuilder().link("..", "l")) == ErrorKind::invalid_argument);
        CHECK(kind(TarBuilder().file("f").file("f/x")) == ErrorKind::failed_precondition);
        CHECK(kind(TarBuilder().file(".wh..")) == ErrorKind::invalid_argument);
        CHECK(kind(TarBuilder().file("d/f").link("d/f", "d")) == ErrorKind::not_found);
        CHECK(kind(TarBuilder().symlink("l", "l").file("l/x")) == ErrorKind::invalid_argument);
    }

    TEST_CASE("entry data: by number, in order") {
        const std::string text = TarBuilder().dir("d").file("a", "first").file("b", "second").str();
        StringSource source(text);
        EntryData data(source);
        StringSink sink(100, "data");
        data.copy(1, 5, sink, {});
        data.copy(2, 6, sink, {});
        CHECK(sink.take() == "firstsecond");
        CHECK(refused([&] { data.copy(3, 1, sink, {}); }) == ErrorKind::data_loss);
        StringSource other(text);
        EntryData wrong(other);
        CHECK(refused([&] { wrong.copy(1, 6, sink, {}); }) == ErrorKind::data_loss);
    }
}
