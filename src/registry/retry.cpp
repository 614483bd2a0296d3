// SPDX-License-Identifier: Apache-2.0
#include "registry/retry.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <thread>

#include "base/tasks.hpp"

namespace lade::registry {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{100};
constexpr milliseconds longest_pause{10'000};
constexpr std::chrono::seconds longest_retry_after{60};
// A registry that is down, or hangs, is told to the user soon: each of these attempts may cost a whole timeout.
constexpr unsigned mute_limit = 2;

// Three quarters to five quarters of it: clients that failed together do not come back together.
milliseconds jittered(milliseconds pause) {
    thread_local std::minstd_rand random(static_cast<std::minstd_rand::result_type>(
        std::hash<std::thread::id>()(std::this_thread::get_id()) ^
        static_cast<std::size_t>(std::chrono::steady_clock::now().time_since_epoch().count())));
    const auto quarter = pause.count() / 4;
    return pause + milliseconds(std::uniform_int_distribution<milliseconds::rep>(-quarter, quarter)(random));
}

} // namespace

milliseconds pause_after(unsigned count, std::chrono::seconds retry_after) {
    const milliseconds asked = std::min(retry_after, longest_retry_after);
    const milliseconds own = count >= 7 ? longest_pause : std::min(first_pause * (1U << count), longest_pause);
    return std::max(asked, own);
}

void pause_jittered(unsigned count, const std::stop_token& stop) {
    sleep_for(jittered(pause_after(count, std::chrono::seconds(0))), stop);
}

void Retries::failed(const Transient& failure, std::uint64_t progress, const std::stop_token& stop) {
    if (progress > progress_)
        count_ = 0;
    progress_ = std::max(progress, progress_);
    const bool mute = failure.unreachable || failure.silent;
    unsigned limit = mute ? std::min(attempts_.retries, mute_limit) : attempts_.retries;
    // Nor is one waited for that asks for more patience than it would get unasked.
    if (!attempts_.last && (mute || failure.retry_after > longest_pause))
        limit = 0;
    if (count_ >= limit) {
        Transient last(failure.message(), count_ == 0 ? "" : cat(" (", count_ + 1, " attempts)"));
        last.retry_after = failure.retry_after;
        last.unreachable = failure.unreachable;
        last.silent = failure.silent;
        last.answered = failure.answered;
        throw last;
    }
    const milliseconds pause = pause_after(count_, failure.retry_after);
    ++count_;
    // What the server asked for is a minimum.
    sleep_for(failure.retry_after.count() > 0 ? pause + jittered(first_pause) : jittered(pause), stop);
}

} // namespace lade::registry
