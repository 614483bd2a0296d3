// SPDX-License-Identifier: Apache-2.0
// A person's editor on a file.
#pragma once

#include <stop_token>
#include <string>

namespace lade::cli {

// Runs `editor`, a shell's command line, with `path` behind it, and waits for its end. At a terminal it is the
// foreground job: ctrl-C and ctrl-Z are its own. failed_precondition: it did not end well. `stop` ends it.
void run_editor(const std::string& editor, const std::string& path, const std::stop_token& stop);

} // namespace lade::cli
