// SPDX-License-Identifier: Apache-2.0
// Other programs, run to their end without a shell.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace lade {

// The absolute path of a program that PATH leads to, "" when there is none. Relative parts of PATH count for nothing.
std::string find_program(std::string_view name);

// Runs the program at an absolute path: standard input is empty, the environment is PATH and the C locale. It dies with
// the thread that waits for it, and when `stop` is requested: Error cancelled. failed_precondition when it does not end
// with 0 (resource_exhausted where it says that the disk is full): the error names the program, how it ended, and the
// end of what it said on both outputs, in one line.
void run_program(const std::string& path, const std::vector<std::string>& arguments, const std::stop_token& stop);

struct ProgramCall {
    std::string path; // absolute
    std::vector<std::string> arguments{};
    std::string input{};                      // all of its standard input: at most 32000 bytes
    std::chrono::milliseconds limit{120'000}; // of its run
    std::size_t max_output = 1'000'000;       // of each of its outputs, in bytes
};
struct ProgramReply {
    int code = 0; // 128 + N when signal N ended it
    std::string output{};
    std::string errors{}; // standard error
};

// Runs the program with our own environment and whatever it needs of the terminal; files it makes are the user's alone.
// It ends as in run_program(), and when its time is over: unavailable. What programs of its own leave open does not
// hold us up. resource_exhausted when it says or is told too much. Errors name the program, never what was said.
ProgramReply ask_program(const ProgramCall& call, const std::stop_token& stop);

// That, or what does the same elsewhere.
using AskProgram = std::function<ProgramReply(const ProgramCall& call, const std::stop_token& stop)>;

} // namespace lade
