// SPDX-License-Identifier: Apache-2.0
// A secret from the person at the terminal.
#pragma once

#include <stop_token>
#include <string>

namespace lade::cli {

// Asks for the password of `user` on stderr and reads one line from the terminal, which does not show it.
// invalid_argument: stdin is no terminal, or ends before a line does; cancelled: `stop` was requested. However it
// ends, the terminal shows again what is typed.
std::string ask_password(const std::string& user, const std::stop_token& stop);

// The same for whatever `prompt` asks for, "Refresh token". `else_by` says how it can be told without a terminal.
std::string ask_secret(const std::string& prompt, const std::string& else_by, const std::stop_token& stop);

// A line that may be seen while it is typed; otherwise as ask_secret().
std::string ask_openly(const std::string& prompt, const std::string& else_by, const std::stop_token& stop);

// Standard input to its end, without the line break there: invalid_argument when that is nothing.
std::string read_secret(const std::stop_token& stop);

} // namespace lade::cli
