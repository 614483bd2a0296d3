// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "base/fd.hpp"
#include "base/tasks.hpp"

namespace lade::cli {

namespace {

// A pipe that poll() calls writable takes this much without blocking; more could wait for a reader for ever, deaf
// to any signal. A file takes everything.
std::size_t piece_size() {
    struct stat status {};
    return ::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode) ? SIZE_MAX : PIPE_BUF;
}

} // namespace

void Output::write(std::span<const std::byte> bytes) {
    const std::size_t most = piece_size();
    while (!bytes.empty()) {
        wait_ready(STDOUT_FILENO, POLLOUT, stop_);
        const auto piece = bytes.first(std::min(bytes.size(), most));
        write_all(STDOUT_FILENO, piece, "standard output");
        bytes = bytes.subspan(piece.size());
    }
}

} // namespace lade::cli
