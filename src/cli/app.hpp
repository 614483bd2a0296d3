// SPDX-License-Identifier: Apache-2.0
// The program as people see it.
#pragma once

#include "base/tasks.hpp"

namespace lade::cli {

// Parses and runs one command. Help and version give 0, wrong usage 2 with one line on stderr; failures of
// the command leave as Error. The signals are watched while the command runs. An ordinary user becomes root of a user
// namespace for it unless all it needs is rows.
int run(int argc, char** argv, SignalWatcher& signals);

} // namespace lade::cli
