// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/tasks.hpp"

using namespace lade;
using namespace std::chrono_literals;

TEST_SUITE("base") {
    TEST_CASE("the first error stops the others and is the one thrown") {
        TaskGroup tasks{std::stop_token()};
        std::atomic<int> stopped = 0;
        for (int i = 0; i < 4; ++i)
            tasks.start([&](const std::stop_token& stop) {
                try {
                    sleep_for(1h, stop);
                } catch (const Error& error) {
                    CHECK(error.kind() == ErrorKind::cancelled);
                    ++stopped;
                    throw;
                }
            });
        tasks.start([](const std::stop_token&) { throw Error(ErrorKind::data_loss, "broken"); });
        CHECK_THROWS_WITH_AS(tasks.wait(), "broken", Error);
        CHECK(stopped == 4);
    }

    TEST_CASE("a stop from outside ends every wait") {
        std::stop_source outer;
        TaskGroup tasks(outer.get_token());
        Limiter limiter(1);
        for (int i = 0; i < 3; ++i)
            tasks.start([&](const std::stop_token& stop) {
                const Limiter::Slot slot(limiter, stop);
                sleep_for(1h, stop);
            });
        outer.request_stop();
        CHECK_THROWS_AS(tasks.wait(), Error);
    }

    TEST_CASE("a limiter lets no more in than it should") {
        TaskGroup tasks{std::stop_token()};
        Limiter limiter(2);
        std::atomic<int> inside = 0;
        std::atomic<int> most = 0;
        for (int i = 0; i < 8; ++i)
            tasks.start([&](const std::stop_token& stop) {
                const Limiter::Slot slot(limiter, stop);
                const int now = ++inside;
                for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
                }
                sleep_for(2ms, stop);
                --inside;
            });
        tasks.wait();
        CHECK(most <= 2);
        CHECK(most >= 1);
    }

    TEST_CASE("a wait for a descriptor ends when it is ready, and with the stop") {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        const Fd out(ends[0]);
        const Fd in(ends[1]);
        std::stop_source stop;
        wait_ready(in.get(), POLLOUT, stop.get_token());
        TaskGroup tasks(stop.get_token());
        tasks.start([&](const std::stop_token& token) { wait_ready(out.get(), POLLIN, token); });
        std::this_thread::sleep_for(20ms);
        stop.request_stop();
        CHECK_THROWS_WITH_AS(tasks.wait(), "interrupted", Error);
        CHECK_THROWS_AS(wait_ready(in.get(), POLLOUT, stop.get_token()), Error);
    }
}
