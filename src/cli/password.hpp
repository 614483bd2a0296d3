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

} // namespace lade::cli
