// SPDX-License-Identifier: Apache-2.0
// Other programs, run to their end without a shell.
#pragma once

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

} // namespace lade
