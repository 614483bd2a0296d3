// SPDX-License-Identifier: Apache-2.0
// Looks at the board and shows it on stderr: redrawn lines at a terminal, one line per finished step
// elsewhere. The work does not know that anybody looks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "transfer/progress.hpp"

namespace lade::cli {

enum class ProgressMode { tty, plain, json, none };

// "auto" is tty at a terminal that can move its cursor, unless CI is set, and plain elsewhere;
// invalid_argument for an unknown word.
ProgressMode parse_progress_mode(std::string_view word);

// What is to be seen at one instant.
struct ProgressView {
    struct Line {
        std::string kind;
        std::string name;
        transfer::Stage stage{};
        std::uint64_t offset = 0;
        std::uint64_t total = 0;
    };
    std::vector<Line> lines;
    struct Sums {
        std::uint64_t offset = 0;
        std::uint64_t total = 0;
        std::uint64_t moved = 0; // by this run
    };
    Sums downloads;
    Sums unpacking;  // and making layers
    double rate = 0; // bytes per second of what matters()
    std::chrono::duration<double> elapsed{};

    // What the total line is about: unpacking when there is nothing to download.
    const Sums& matters() const noexcept { return downloads.total > 0 ? downloads : unpacking; }
};

// One line for each step on the board; the rate is the average of the whole time.
ProgressView look(const transfer::Progress& progress, std::chrono::duration<double> elapsed);

// The lines of one frame, one for each blob, none wider than `width` - 1 and at most `height` - 1 of them: running ones
// come before finished ones when there is no room for all. The last line is the total with rate and time left.
std::vector<std::string> draw(const ProgressView& view, std::size_t width, std::size_t height);

// The rate of the last few seconds: what somebody who waits wants to know, and what the time left follows from.
class RateWindow {
public:
    static constexpr std::chrono::seconds length{4};
    // Takes note of what was moved so far, and returns bytes per second.
    double add(std::chrono::duration<double> elapsed, std::uint64_t moved);

private:
    struct Look {
        std::chrono::duration<double> elapsed{};
        std::uint64_t moved = 0;
    };
    std::deque<Look> looks_{Look{}};
};

// "<what>  330.9 MiB in 2.1s" on stderr: the last line of a transfer.
void write_summary(std::string_view what, const ProgressView& view);

// Shows the board from construction to destruction, from a thread of its own. The cursor is never hidden, so
// that no way to end can leave a terminal without one.
class ProgressDisplay {
public:
    ProgressDisplay(const transfer::Progress& progress, ProgressMode mode);
    ~ProgressDisplay();
    ProgressDisplay(const ProgressDisplay&) = delete;
    ProgressDisplay& operator=(const ProgressDisplay&) = delete;

private:
    void run();
    void show(bool last);
    void redraw(const ProgressView& view);
    void tell(const ProgressView& view, bool last);
    void show_warnings();

    const transfer::Progress& progress_;
    ProgressMode mode_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point last_total_ = start_;
    std::vector<std::size_t> drawn_; // widths of the lines of the last frame
    RateWindow rates_;
    std::set<std::string> told_;
    std::size_t warnings_ = 0;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    std::thread thread_;
};

} // namespace lade::cli
