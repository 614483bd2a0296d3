// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdlib>
#include <thread>

#include "base/error.hpp"
#include "base/outside.hpp"
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

    TEST_CASE("a program is asked: what it is told, what it says, how it ends") {
        const std::string shell = find_program("sh");
        ::setenv("LADE_TEST_WORD", "here", 1);
        const ProgramReply reply = ask_program(
            {.path = shell, .arguments = {"-c", "cat; echo \"$LADE_TEST_WORD\"; umask >&2; exit 3"}, .input = "told "},
            {});
        ::unsetenv("LADE_TEST_WORD");
        CHECK(reply.code == 3);
        CHECK(reply.output == "told here\n");
        CHECK(reply.errors == "0077\n");
        CHECK(ask_program({.path = shell, .arguments = {"-c", "kill -9 $$"}}, {}).code == 137);
        CHECK(ask_program({.path = shell, .arguments = {"-c", "head -c 500000 /dev/zero"}}, {}).output.size() ==
              500'000);
        CHECK(ask_program({.path = "/no/such/program"}, {}).code == 127);
    }

    TEST_CASE("a program that is asked is bounded") {
        const std::string shell = find_program("sh");
        const auto call = [&](const char* script) {
            return ProgramCall{.path = shell, .arguments = {"-c", script}, .limit = std::chrono::milliseconds(200)};
        };
        CHECK(kind_of([&] { ask_program(call("exec sleep 600"), {}); }) == ErrorKind::unavailable);
        CHECK(kind_of([&] { ask_program(call("exec sleep 600 >&- 2>&-"), {}); }) == ErrorKind::unavailable);
        CHECK(kind_of([&] { ask_program(call("exec cat /dev/zero"), {}); }) == ErrorKind::resource_exhausted);
        CHECK(kind_of([&] { ask_program({.path = shell, .input = std::string(100'000, 'x')}, {}); }) ==
              ErrorKind::resource_exhausted);
        // Its own child holds the outputs open.
        CHECK(ask_program({.path = shell, .arguments = {"-c", "sleep 5 & echo done"}}, {}).output == "done\n");
        std::stop_source stop;
        std::thread asks([&] { stop.request_stop(); });
        CHECK(kind_of([&] {
                  ask_program({.path = shell, .arguments = {"-c", "exec sleep 600"}}, stop.get_token());
              }) == ErrorKind::cancelled);
        asks.join();
    }

    TEST_CASE("a program is asked by the process that stayed behind") {
        const std::string shell = find_program("sh");
        Outside outside;
        const ProgramReply reply =
            outside.ask({.path = shell, .arguments = {"-c", "cat; echo e >&2; exit 3"}, .input = "told"}, {});
        CHECK(reply.code == 3);
        CHECK(reply.output == "told");
        CHECK(reply.errors == "e\n");
        const ProgramCall slow{
            .path = shell, .arguments = {"-c", "exec sleep 600"}, .limit = std::chrono::milliseconds(100)};
        CHECK(kind_of([&] { outside.ask(slow, {}); }) == ErrorKind::unavailable);
        CHECK(outside.ask({.path = shell, .arguments = {"-c", "head -c 500000 /dev/zero"}}, {}).output.size() ==
              500'000);
        std::stop_source stop;
        std::thread asks([&] { stop.request_stop(); });
        CHECK(kind_of([&] {
                  outside.ask({.path = shell, .arguments = {"-c", "exec sleep 600"}}, stop.get_token());
              }) == ErrorKind::cancelled);
        asks.join();
    }
}
