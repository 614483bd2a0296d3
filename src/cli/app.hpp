// SPDX-License-Identifier: Apache-2.0
// The program as people see it.
#pragma once

#include <stop_token>

namespace lade::cli {

// Parses and runs one command. Help and version give 0, wrong usage 2 with one line on stderr; failures of
// the command leave as Error.
int run(int argc, char** argv, std::stop_token stop);

} // namespace lade::cli
