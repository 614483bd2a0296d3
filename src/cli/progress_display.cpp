// SPDX-License-Identifier: Apache-2.0
#include "cli/progress_display.hpp"

#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/context.hpp"
#include "cli/table.hpp"

namespace lade::cli {

namespace {

using transfer::Stage;

constexpr auto frame_time = std::chrono::milliseconds(100);
constexpr auto total_every = std::chrono::seconds(10);

struct Size {
    std::size_t width = 80;
    std::size_t height = 24;
};

Size terminal_size() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return {};
    return {.width = size.ws_col, .height = size.ws_row};
}

void say(std::string_view text) {
    static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

std::string pad(std::string text, std::size_t width) {
    const std::size_t have = text_width(text);
    return have < width ? text.append(width - have, ' ') : text;
}

std::string short_name(const ProgressView::Line& line) {
    const std::size_t colon = line.name.find(':');
    constexpr std::size_t shown = 12;
    if (line.kind == "diff")
        return shorten(line.name, shown);
    if (line.kind == "reference" || colon == std::string::npos)
        return line.name;
    return line.name.substr(colon + 1, shown);
}

std::string bar(double part, std::size_t width) {
    const auto full = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(width));
    return cat('[', std::string(full, '='), std::string(width - full, ' '), ']');
}

std::string time_left(const ProgressView& view) {
    const auto& [offset, total, moved] = view.matters();
    if (view.rate <= 0 || offset >= total)
        return "";
    const auto seconds = static_cast<long>(static_cast<double>(total - offset) / view.rate) + 1;
    return seconds < 60 ? cat(seconds, "s") : cat(seconds / 60, "m", seconds % 60, "s");
}

std::string total_line(const ProgressView& view, std::size_t width) {
    std::array<char, 32> elapsed{};
    std::snprintf(elapsed.data(), elapsed.size(), "%.1fs", view.elapsed.count());
    const std::string left = time_left(view);
    const auto& [offset, total, moved] = view.matters();
    const std::string sums = cat(kib_size(offset), total == 0 ? "" : " / " + kib_size(total), "  ",
                                 kib_size(static_cast<std::uint64_t>(view.rate)), "/s");
    std::string text = cat(elapsed.data(), "  ", sums, left.empty() ? "" : cat("  ", left, " left"));
    if (text_width(text) > width)
        text = cat(sums, left.empty() ? "" : "  ", left);
    return shorten(text, width);
}

bool is_running(Stage stage) {
    return stage == Stage::downloading || stage == Stage::uploading || stage == Stage::copying ||
           stage == Stage::extracting || stage == Stage::writing;
}

// What a finished step was about, also when that was not known before.
std::uint64_t size_of(const ProgressView::Line& line) {
    return line.total == 0 ? line.offset : line.total;
}

// The bar, as long as there is room for one, and behind it how many bytes of how many; else how many in all, else
// the percentage alone.
std::string running(const ProgressView::Line& line, std::size_t room) {
    constexpr std::size_t longest_bar = 20;
    constexpr std::size_t shortest_bar = 4;
    constexpr std::size_t size_width = 10; // 1023.9 MiB
    constexpr std::size_t sizes_width = 2 * size_width + 3;
    constexpr std::size_t around = 3; // two brackets and a blank
    if (line.total == 0)
        return kib_size(line.offset);
    const double part = static_cast<double>(line.offset) / static_cast<double>(line.total);
    const auto with_bar = [&](std::size_t amount_width, const std::string& amount) {
        return cat(bar(part, std::min(longest_bar, room - around - amount_width)), ' ', amount);
    };
    if (room >= around + 2 * shortest_bar + sizes_width)
        return with_bar(sizes_width, cat(kib_size(line.offset), " / ", kib_size(line.total)));
    if (room >= around + shortest_bar + size_width)
        return with_bar(size_width, kib_size(line.total));
    return cat(static_cast<int>(part * 100), '%');
}

std::string item_line(const ProgressView::Line& line, std::size_t width) {
    constexpr std::size_t wide = 70;
    constexpr std::size_t kind_width = 9;
    constexpr std::size_t name_width = 13;
    constexpr std::size_t narrow_name = 7;
    constexpr std::size_t stage_width = 12;
    const std::string stage(to_string(line.stage));
    if (line.kind == "reference")
        return shorten(cat(line.name, "  ", stage), width);
    std::string head = width >= wide ? pad(line.kind, kind_width) + pad(short_name(line), name_width)
                                     : pad(short_name(line).substr(0, narrow_name), narrow_name + 1);
    head += pad(stage, stage_width);
    if (is_running(line.stage))
        return shorten(head + running(line, width - std::min(width, text_width(head))), width);
    return shorten(cat(head, width >= wide ? "" : line.kind + ' ', kib_size(size_of(line))), width);
}

// A layer is downloaded and unpacked, at the same time where that is possible: two steps on the board, one line
// here. The step that is behind tells how far the layer is, for it is the one that is waited for.
std::vector<ProgressView::Line> by_blob(const std::vector<ProgressView::Line>& steps) {
    std::vector<ProgressView::Line> lines;
    std::map<std::string, std::size_t> layers;
    for (const ProgressView::Line& step : steps) {
        if (step.kind != "unpack") {
            if (step.kind == "layer")
                layers.emplace(step.name, lines.size());
            lines.push_back(step);
            continue;
        }
        const auto [layer, alone] = layers.emplace(step.name, lines.size());
        if (alone)
            lines.emplace_back();
        ProgressView::Line& line = lines[layer->second];
        if (alone || step.stage == Stage::extracted || (step.stage == Stage::extracting && is_final(line.stage)))
            line = {
                .kind = "layer", .name = step.name, .stage = step.stage, .offset = step.offset, .total = step.total};
    }
    return lines;
}

} // namespace

ProgressMode parse_progress_mode(std::string_view word) {
    if (word == "tty")
        return ProgressMode::tty;
    if (word == "plain")
        return ProgressMode::plain;
    if (word == "json")
        return ProgressMode::json;
    if (word == "none")
        return ProgressMode::none;
    if (word != "auto")
        throw Error(ErrorKind::invalid_argument, "--progress ", printable(word),
                    ": one of auto, tty, plain, json, none is needed");
    const char* ci = std::getenv("CI");
    const char* term = std::getenv("TERM");
    const bool dumb = term == nullptr || std::string_view(term) == "dumb";
    const bool automated = ci != nullptr && *ci != '\0' && std::string_view(ci) != "false";
    return ::isatty(STDERR_FILENO) == 1 && !dumb && !automated ? ProgressMode::tty : ProgressMode::plain;
}

ProgressView look(const transfer::Progress& progress, std::chrono::duration<double> elapsed) {
    ProgressView view;
    view.elapsed = elapsed;
    for (const transfer::Item* item : progress.items()) {
        ProgressView::Line line{.kind = item->kind(),
                                .name = item->name(),
                                .stage = item->stage(),
                                .offset = item->offset(),
                                .total = item->total()};
        // What is there needs no transfer and takes no part in the sums.
        if (line.kind != "reference" && line.stage != Stage::exists && line.stage != Stage::mounted) {
            const bool is_local = line.kind == "unpack" || line.kind == "diff" || line.kind == "convert";
            ProgressView::Sums& sums = is_local ? view.unpacking : view.downloads;
            sums.offset += line.offset;
            sums.total += line.total;
            sums.moved += line.offset - std::min(line.offset, item->resumed());
        }
        view.lines.push_back(std::move(line));
    }
    view.rate = elapsed.count() > 0 ? static_cast<double>(view.matters().moved) / elapsed.count() : 0;
    return view;
}

std::vector<std::string> draw(const ProgressView& view, std::size_t width, std::size_t height) {
    const std::size_t columns = std::max<std::size_t>(width, 2) - 1;
    const std::size_t room = std::max<std::size_t>(height, 3) - 2;
    const std::vector<ProgressView::Line> all = by_blob(view.lines);
    std::vector<bool> shown(all.size(), all.size() <= room);
    if (all.size() > room) {
        std::size_t left = room;
        const auto take = [&](auto wanted) {
            for (std::size_t i = 0; i < shown.size() && left > 0; ++i)
                if (!shown[i] && wanted(all[i].stage)) {
                    shown[i] = true;
                    --left;
                }
        };
        take([](Stage stage) { return !is_final(stage) && stage != Stage::waiting; });
        take([](Stage stage) { return stage == Stage::waiting; });
        take([](Stage) { return true; });
    }
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < shown.size(); ++i)
        if (shown[i])
            lines.push_back(item_line(all[i], columns));
    lines.push_back(total_line(view, columns));
    return lines;
}

double RateWindow::add(std::chrono::duration<double> elapsed, std::uint64_t moved) {
    // One look from before the window stays, so that a rate never rests on less than its whole length.
    while (looks_.size() > 1 && elapsed - looks_[1].elapsed >= length)
        looks_.pop_front();
    looks_.push_back({.elapsed = elapsed, .moved = moved});
    const Look& first = looks_.front();
    const double seconds = (elapsed - first.elapsed).count();
    return seconds > 0 ? static_cast<double>(moved - std::min(moved, first.moved)) / seconds : 0;
}

void write_summary(std::string_view what, const ProgressView& view) {
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), "%.1fs", view.elapsed.count());
    say(cat(what, "  ", kib_size(view.downloads.moved), " in ", seconds.data(), '\n'));
}

ProgressDisplay::ProgressDisplay(const transfer::Progress& progress, ProgressMode mode)
    : progress_(progress), mode_(mode) {
    if (mode_ != ProgressMode::none)
        thread_ = std::thread([this] { run(); });
}

ProgressDisplay::~ProgressDisplay() {
    {
        const std::scoped_lock lock(mutex_);
        done_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable())
        thread_.join();
    else
        show_warnings();
}

void ProgressDisplay::run() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, frame_time, [&] { return done_; }))
        show(false);
    show(true);
}

void ProgressDisplay::show(bool last) {
    ProgressView view = look(progress_, std::chrono::steady_clock::now() - start_);
    if (mode_ == ProgressMode::tty) {
        const double rate = rates_.add(view.elapsed, view.matters().moved);
        // What stays on the screen tells of the whole.
        if (!last)
            view.rate = rate;
        redraw(view);
        if (last)
            show_warnings();
    } else {
        tell(view, last);
        show_warnings();
    }
}

void ProgressDisplay::redraw(const ProgressView& view) {
    const Size size = terminal_size();
    // A window that became narrower has folded the lines of the last frame.
    std::size_t rows = 0;
    for (const std::size_t width : drawn_)
        rows += 1 + (width == 0 ? 0 : (width - 1) / size.width);
    rows = std::min(rows, size.height - 1);
    std::string frame = rows > 0 ? cat("\r\x1b[", rows, 'A') : "";
    drawn_.clear();
    for (const std::string& line : draw(view, size.width, size.height)) {
        frame += line + "\x1b[K\n";
        drawn_.push_back(text_width(line));
    }
    // Only what lies below the frame is erased at once: a terminal may keep what is erased from its first row on as
    // a page of its history, ten of them a second.
    say(frame + "\x1b[J");
}

void ProgressDisplay::tell(const ProgressView& view, bool last) {
    const auto step = [&](const ProgressView::Line& line) {
        if (mode_ == ProgressMode::json)
            return dump_json({{"event", "step"},
                              {"kind", line.kind},
                              {"name", line.name},
                              {"stage", to_string(line.stage)},
                              {"bytes", size_of(line)}}) +
                   "\n";
        return cat(line.kind, ' ', line.name, ' ', to_string(line.stage),
                   size_of(line) > 0 ? cat(' ', kib_size(size_of(line))) : "", '\n');
    };
    for (const ProgressView::Line& line : view.lines)
        if (is_final(line.stage) && told_.insert(line.kind + line.name).second)
            say(step(line));
    const auto time = std::chrono::steady_clock::now();
    if (last || time - last_total_ < total_every)
        return;
    last_total_ = time;
    const auto finished = std::ranges::count_if(view.lines, [](const auto& line) { return is_final(line.stage); });
    if (mode_ == ProgressMode::json)
        say(dump_json({{"event", "progress"},
                       {"offset", view.matters().offset},
                       {"total", view.matters().total},
                       {"steps_done", finished},
                       {"steps", view.lines.size()},
                       {"seconds", view.elapsed.count()}}) +
            "\n");
    else
        say(cat("progress ", total_line(view, std::string::npos), "  ", finished, " of ", view.lines.size(),
                " steps done\n"));
}

void ProgressDisplay::show_warnings() {
    for (const std::string& text : progress_.warnings(warnings_)) {
        ++warnings_;
        if (mode_ == ProgressMode::json)
            say(dump_json({{"event", "warning"}, {"text", text}}) + "\n");
        else
            complain("warning: " + text);
    }
}

} // namespace lade::cli
