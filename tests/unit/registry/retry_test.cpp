// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "base/error.hpp"
#include "registry/retry.hpp"

using lade::Error;
using lade::ErrorKind;
using lade::registry::pause_after;
using lade::registry::Transient;
using lade::registry::with_retries;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// How often an always failing attempt is made.
template <typename Progress>
int attempts(unsigned limit, bool unreachable, Progress progress) {
    int count = 0;
    try {
        with_retries(
            limit, std::stop_token(),
            [&] {
                ++count;
                Transient failure("cut");
                failure.unreachable = unreachable;
                throw failure;
            },
            [&] { return progress(count); });
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(error.message().starts_with("cut"));
    }
    return count;
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("pauses double, are bounded, and follow Retry-After") {
        CHECK(pause_after(0, seconds(0)) == milliseconds(100));
        CHECK(pause_after(1, seconds(0)) == milliseconds(200));
        CHECK(pause_after(6, seconds(0)) == milliseconds(6400));
        CHECK(pause_after(7, seconds(0)) == seconds(10));
        CHECK(pause_after(1000, seconds(0)) == seconds(10));
        CHECK(pause_after(0, seconds(3)) == seconds(3));
        CHECK(pause_after(0, seconds(86400)) == seconds(60));
        CHECK(pause_after(7, seconds(3)) == seconds(10));
    }

    TEST_CASE("so many further attempts and no more") {
        const auto none = [](int) { return 0U; };
        CHECK(attempts(0, false, none) == 1);
        CHECK(attempts(2, false, none) == 3);
        CHECK(attempts(9, true, none) == 3);
    }

    TEST_CASE("whoever does not answer is not asked again while others can be") {
        const auto count = [](const Transient& failure, bool last) {
            int made = 0;
            try {
                with_retries(
                    {1, last}, std::stop_token(),
                    [&] {
                        ++made;
                        throw failure; // NOLINT(misc-throw-by-value-catch-by-reference)
                    },
                    [] { return 0U; });
            } catch (const Transient& thrown) {
                CHECK(thrown.silent == failure.silent);
                CHECK(thrown.unreachable == failure.unreachable);
                CHECK(thrown.answered == failure.answered);
            }
            return made;
        };
        Transient unreachable("a");
        unreachable.unreachable = true;
        Transient silent("b");
        silent.silent = true;
        Transient answered("c");
        answered.answered = true;
        for (const Transient& failure : {unreachable, silent}) {
            CHECK(count(failure, false) == 1);
            CHECK(count(failure, true) == 2);
        }
        CHECK(count(answered, false) == 2);
        answered.retry_after = seconds(11);
        CHECK(count(answered, false) == 1);
    }

    TEST_CASE("whoever hangs is tried as seldom as who does not answer") {
        int made = 0;
        CHECK_THROWS_AS(with_retries(
                            9, std::stop_token(),
                            [&] {
                                ++made;
                                Transient failure("no reply");
                                failure.silent = true;
                                throw failure;
                            },
                            [] { return 0U; }),
                        Transient);
        CHECK(made == 3);
    }

    TEST_CASE("progress begins the count anew") {
        CHECK(attempts(1, false, [](int count) { return count < 3 ? static_cast<unsigned>(count) : 2U; }) == 3);
    }

    TEST_CASE("other errors are not tried again") {
        int count = 0;
        CHECK_THROWS_AS(with_retries(
                            5, std::stop_token(),
                            [&] {
                                ++count;
                                throw Error(ErrorKind::data_loss, "x");
                            },
                            [] { return 0U; }),
                        Error);
        CHECK(count == 1);
    }

    TEST_CASE("a pause ends when stop is requested") {
        std::stop_source stop;
        const auto begin = std::chrono::steady_clock::now();
        std::jthread stopper([&] {
            std::this_thread::sleep_for(milliseconds(20));
            stop.request_stop();
        });
        try {
            with_retries(
                5, stop.get_token(),
                [] {
                    Transient failure("busy");
                    failure.retry_after = seconds(50);
                    throw failure;
                },
                [] { return 0U; });
            FAIL("returned");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::cancelled);
        }
        CHECK(std::chrono::steady_clock::now() - begin < seconds(5));
    }
}
