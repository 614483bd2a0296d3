// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <thread>

#include "base/error.hpp"
#include "base/program.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using lade::test::kind_of;

TEST_SUITE("program") {
    TEST_CASE("programs are found by absolute parts of PATH alone") {
        CHECK(find_program("sh").starts_with('/'));
        CHECK(find_program("no-such-program-anywhere").empty());
        CHECK(find_program("").empty());
    }

    TEST_CASE("how a program ended, and its last words") {
        const std::string shell = find_program("sh");
        CHECK_NOTHROW(run_program(shell, {"-c", "echo noise; test -z \"$(cat)\""}, {}));
        try {
            run_program(shell, {"-c", "echo out; echo cause >&2; exit 3"}, {});
            FAIL("was fine");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::failed_precondition);
            CHECK(error.message().find("exit code 3") != std::string::npos);
            CHECK(error.message().find("cause") != std::string::npos);
        }
        CHECK(kind_of([&] { run_program(shell, {"-c", "kill -9 $$"}, {}); }) == ErrorKind::failed_precondition);
        CHECK(kind_of([&] { run_program("/no/such/program", {}, {}); }) == ErrorKind::failed_precondition);
        // More than a pipe holds.
        CHECK_NOTHROW(run_program(shell, {"-c", "head -c 1000000 /dev/zero"}, {}));
    }

    TEST_CASE("a program ends when it is to stop, also when it closed its outputs") {
        const std::string shell = find_program("sh");
        for (const char* script : {"exec sleep 600", "exec >/dev/null 2>&1; exec sleep 600"}) {
            std::stop_source stop;
            std::thread asks([&] { stop.request_stop(); });
            CHECK(kind_of([&] { run_program(shell, {"-c", script}, stop.get_token()); }) == ErrorKind::cancelled);
            asks.join();
        }
    }
}
