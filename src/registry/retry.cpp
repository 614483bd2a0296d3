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
// A registry that is down is told to the user soon.
constexpr unsigned unreachable_limit = 2;

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

void Retries::failed(const Transient& failure, std::uint64_t progress, const std::stop_token& stop) {
    if (progress > progress_)
        count_ = 0;
    progress_ = std::max(progress, progress_);
    const unsigned limit = failure.unreachable ? std::min(limit_, unreachable_limit) : limit_;
    if (count_ >= limit)
        throw Error(failure.kind(), failure.message(), count_ == 0 ? "" : cat(" (", count_ + 1, " attempts)"));
    const milliseconds pause = pause_after(count_, failure.retry_after);
    ++count_;
    // What the server asked for is a minimum.
    sleep_for(failure.retry_after.count() > 0 ? pause + jittered(first_pause) : jittered(pause), stop);
}

} // namespace lade::registry
