// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/size.hpp"
#include "cli/progress_display.hpp"
#include "cli/table.hpp"

using namespace lade;
using namespace lade::cli;
using transfer::Stage;

namespace {

ProgressView busy_view(std::size_t count) {
    ProgressView view{.lines = {},
                      .downloads = {.offset = 10, .total = 100, .moved = 10},
                      .rate = 5,
                      .elapsed = std::chrono::seconds(2)};
    for (std::size_t i = 0; i < count; ++i)
        view.lines.push_back({.kind = "layer",
                              .name = "sha256:" + std::to_string(1'000'000'000'000 + i),
                              .stage = i % 3 == 0   ? Stage::downloaded
                                       : i % 3 == 1 ? Stage::downloading
                                                    : Stage::waiting,
                              .offset = 5,
                              .total = 50});
    return view;
}

} // namespace

TEST_SUITE("cli") {
    TEST_CASE("columns are as wide as their widest cell, counted in characters") {
        Table table({"NAME", "N"});
        table.add({"zürich", "1"});
        table.add({"a", "22"});
        CHECK(table.text() == "NAME   N\nzürich 1\na      22\n");
    }

    TEST_CASE("what others named cannot drive the terminal") {
        Table table({"NAME"});
        table.add({"\x1b[2J"});
        CHECK(table.text() == "NAME\n\\x1b[2J\n");
    }

    TEST_CASE("shortening keeps whole characters") {
        CHECK(shorten("abc", 3) == "abc");
        CHECK(shorten("abcd", 3) == "ab…");
        CHECK(shorten("äöüß", 3) == "äö…");
        CHECK(shorten("abc", 0).empty());
    }

    TEST_CASE("what is written without knowing how much it will be has no bar") {
        ProgressView view{.lines = {}, .elapsed = std::chrono::seconds(2)};
        view.lines.push_back({.kind = "diff", .name = "work", .stage = Stage::writing, .offset = 5 * mib, .total = 0});
        view.unpacking = {.offset = 5 * mib, .total = 0, .moved = 5 * mib};
        const auto lines = draw(view, 80, 12);
        CHECK(lines.front() == "diff     work         writing     5.0 MiB");
        CHECK(lines.back().find('/') == lines.back().rfind('/')); // of the rate
        view.lines.front().stage = Stage::written;
        CHECK(draw(view, 80, 12).front() == "diff     work         written     5.0 MiB");
    }

    TEST_CASE("a frame fits every window and leaves the last column and row free") {
        for (const std::size_t width : {1U, 2U, 10U, 40U, 80U, 200U})
            for (const std::size_t height : {1U, 3U, 12U, 24U}) {
                const auto lines = draw(busy_view(30), width, height);
                CAPTURE(width);
                CAPTURE(height);
                CHECK(lines.size() <= std::max<std::size_t>(height, 3) - 1);
                for (const std::string& line : lines)
                    CHECK(text_width(line) <= std::max<std::size_t>(width, 2) - 1);
            }
    }

    TEST_CASE("running steps are shown before waiting and finished ones") {
        const auto lines = draw(busy_view(30), 80, 12);
        REQUIRE(lines.size() == 11);
        for (std::size_t i = 0; i + 1 < lines.size(); ++i)
            CHECK(lines[i].find("downloading") != std::string::npos);
    }

    TEST_CASE("40 columns are enough for amounts, rate and time left") {
        const ProgressView view{.lines = {{.kind = "manifest",
                                           .name = "sha256:307c8c4a95b5",
                                           .stage = Stage::downloaded,
                                           .offset = 825,
                                           .total = 825},
                                          {.kind = "layer",
                                           .name = "sha256:a45f51f16c1f",
                                           .stage = Stage::downloading,
                                           .offset = 56 * mib,
                                           .total = 154 * mib}},
                                .downloads = {.offset = 156 * mib, .total = 331 * mib, .moved = 156 * mib},
                                .rate = 26.0 * mib,
                                .elapsed = std::chrono::seconds(6)};
        const auto lines = draw(view, 40, 12);
        REQUIRE(lines.size() == 3);
        CHECK(lines[0] == "307c8c4 downloaded  manifest 825.0 B");
        CHECK(lines[1] == "a45f51f downloading [==    ] 154.0 MiB");
        CHECK(lines[2] == "156.0 MiB / 331.0 MiB  26.0 MiB/s  7s");
        CHECK(draw(view, 30, 12)[1] == "a45f51f downloading 36%");
        CHECK(draw(view, 60, 12)[1] == "a45f51f downloading [====         ] 56.0 MiB / 154.0 MiB");
        CHECK(draw(view, 80, 12)[1] == "layer    a45f51f16c1f downloading [======             ] 56.0 MiB / 154.0 MiB");
    }

    TEST_CASE("what exists and what was there before does not count as fetched") {
        transfer::Progress progress;
        progress.add("layer", "sha256:aa", 100).set(Stage::exists);
        transfer::Item& item = progress.add("layer", "sha256:bb", 100);
        item.set(Stage::downloading);
        item.set_resumed(60);
        item.advance(10);
        const ProgressView view = look(progress, std::chrono::seconds(1));
        CHECK(view.downloads.offset == 70);
        CHECK(view.downloads.total == 100);
        CHECK(view.downloads.moved == 10);
    }

    TEST_CASE("the total is about unpacking when nothing is downloaded") {
        transfer::Progress progress;
        transfer::Item& item = progress.add("unpack", "sha256:aa", 100);
        item.set(Stage::extracting);
        item.advance(40);
        const ProgressView view = look(progress, std::chrono::seconds(1));
        CHECK(view.matters().offset == 40);
        CHECK(draw(view, 80, 10).back() == "1.0s  40.0 B / 100.0 B  40.0 B/s  2s left");
    }

    TEST_CASE("a layer has one line, whatever is being done with it") {
        transfer::Progress progress;
        transfer::Item& fetch = progress.add("layer", "sha256:aaaaaaaaaaaa", 100);
        progress.add("layer", "sha256:bbbbbbbbbbbb", 100).set(Stage::exists);
        transfer::Item& unpack = progress.add("unpack", "sha256:aaaaaaaaaaaa", 100);
        const auto state = [&] {
            const auto lines = draw(look(progress, std::chrono::seconds(1)), 100, 24);
            REQUIRE(lines.size() == 3);
            return lines.front().substr(22);
        };
        CHECK(state().starts_with("waiting"));
        fetch.set(Stage::downloading);
        fetch.set_offset(50);
        unpack.set(Stage::extracting);
        unpack.set_offset(30);
        CHECK(state() == "downloading [==========          ] 50.0 B / 100.0 B");
        fetch.set_offset(100);
        fetch.set(Stage::downloaded);
        CHECK(state() == "extracting  [======              ] 30.0 B / 100.0 B");
        unpack.set(Stage::extracted);
        CHECK(state() == "extracted   100.0 B");
    }

    TEST_CASE("layers that are only unpacked have lines too") {
        transfer::Progress progress;
        progress.add("unpack", "sha256:aaaaaaaaaaaa", 100).set(Stage::extracting);
        CHECK(draw(look(progress, std::chrono::seconds(1)), 100, 24).front().starts_with("layer    aaaaaaaaaaaa extr"));
    }

    TEST_CASE("the rate follows the last few seconds") {
        RateWindow rates;
        using Seconds = std::chrono::duration<double>;
        CHECK(rates.add(Seconds(1), 1000) == doctest::Approx(1000));
        for (std::uint64_t i = 2; i <= 20; ++i)
            rates.add(Seconds(i), 1000 * i);
        CHECK(rates.add(Seconds(22), 20'000) == doctest::Approx(500));
        CHECK(rates.add(Seconds(30), 20'000) == doctest::Approx(0));
    }
}
