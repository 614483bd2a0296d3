// SPDX-License-Identifier: Apache-2.0
// Attempts that follow a Transient failure: at most so many in a row without progress, after a jittered
// pause that doubles from 100 ms to 10 s, or the server's Retry-After up to 60 s.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "registry/http.hpp"

namespace lade::registry {

// How often one host is tried.
struct Attempts {
    // Implicit: a number of further attempts is what most callers have.
    Attempts(unsigned limit, bool is_last = true)
        : retries(limit), last(is_last) {} // NOLINT(google-explicit-constructor)

    unsigned retries; // further attempts after the first
    bool last;        // false: others can be asked, so one that is silent or wants a long pause is not tried again
};

class Retries {
public:
    explicit Retries(Attempts attempts) : attempts_(attempts) {}

    // Sleeps until the next attempt is due, or throws: `failure` when there shall be none, cancelled on stop.
    // `progress` is any number that grows as work gets done; when it has grown the count starts anew.
    void failed(const Transient& failure, std::uint64_t progress, const std::stop_token& stop);

private:
    Attempts attempts_;
    unsigned count_ = 0;
    std::uint64_t progress_ = 0;
};

// The pause before attempt `count` + 1 without the jitter.
std::chrono::milliseconds pause_after(unsigned count, std::chrono::seconds retry_after);

// Sleeps so long, with the jitter; cancelled on stop.
void pause_jittered(unsigned count, const std::stop_token& stop);

// Runs `attempt` until it returns. `progress()` as above.
template <typename Attempt, typename Progress>
auto with_retries(Attempts attempts, const std::stop_token& stop, Attempt&& attempt, Progress&& progress) {
    Retries retries(attempts);
    for (;;) {
        try {
            return attempt();
        } catch (const Transient& failure) {
            retries.failed(failure, progress(), stop);
        }
    }
}

} // namespace lade::registry
