// SPDX-License-Identifier: Apache-2.0
#include "cli/input.hpp"

#include <poll.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/tasks.hpp"

namespace lade::cli {

std::size_t Input::read(std::span<std::byte> into) {
    const int file = file_ ? file_.get() : STDIN_FILENO;
    wait_ready(file, POLLIN, stop_);
    return read_some(file, into, what_);
}

} // namespace lade::cli
