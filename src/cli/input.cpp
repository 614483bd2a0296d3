// SPDX-License-Identifier: Apache-2.0
#include "cli/input.hpp"

#include <poll.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/tasks.hpp"

namespace lade::cli {

std::size_t Input::read(std::span<std::byte> into) {
    wait_ready(STDIN_FILENO, POLLIN, stop_);
    return read_some(STDIN_FILENO, into, "standard input");
}

} // namespace lade::cli
