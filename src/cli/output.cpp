// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>

#include "base/error.hpp"
#include "base/tasks.hpp"

namespace lade::cli {

namespace {

constexpr const char* name = "standard output";

mode_t kind_of_stdout() {
    struct stat status {};
    return ::fstat(STDOUT_FILENO, &status) == 0 ? status.st_mode & static_cast<mode_t>(S_IFMT) : 0;
}

// A blocking write would wait for the reader deaf to any signal. O_NONBLOCK on stdout itself would reach everybody
// who shares it, e.g. the shell; opened once more it is ours alone.
Fd open_without_blocking(mode_t kind) {
    if (kind != S_IFIFO && ::isatty(STDOUT_FILENO) != 1)
        return {};
    return Fd(::open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

} // namespace

bool has_reader() {
    pollfd out{STDOUT_FILENO, 0, 0};
    return ::poll(&out, 1, 0) <= 0;
}

// What cannot be opened once more (a socket, a pipe of another user) gets pieces small enough for whatever poll() calls
// writable. A file takes everything.
Output::Output(std::stop_token stop)
    : stop_(std::move(stop)),
      own_(open_without_blocking(kind_of_stdout())),
      piece_(own_ || kind_of_stdout() == S_IFREG ? SIZE_MAX : PIPE_BUF) {}

std::size_t Output::write_some(std::span<const std::byte> bytes) const {
    if (!own_) {
        write_all(STDOUT_FILENO, bytes, name);
        return bytes.size();
    }
    const ssize_t n = ::write(own_.get(), bytes.data(), bytes.size());
    if (n >= 0)
        return static_cast<std::size_t>(n);
    if (errno != EAGAIN && errno != EINTR)
        throw_errno(errno, "write ", name);
    return 0;
}

void Output::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        wait_ready(own_ ? own_.get() : STDOUT_FILENO, POLLOUT, stop_);
        bytes = bytes.subspan(write_some(bytes.first(std::min(bytes.size(), piece_))));
    }
}

} // namespace lade::cli
