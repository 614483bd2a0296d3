// SPDX-License-Identifier: Apache-2.0
#include "base/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"

namespace lade {

namespace {

int open_retrying(int dir, const std::string& path, int flags, mode_t mode) {
    int fd = -1;
    do {
        fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

} // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

Fd::~Fd() {
    reset();
}

void Fd::reset() noexcept {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

Fd open_at(int dir, const std::string& path, int flags, mode_t mode) {
    Fd fd(open_retrying(dir, path, flags, mode));
    if (!fd)
        throw_errno(errno, "open ", path);
    return fd;
}

std::optional<Fd> find_at(int dir, const std::string& path, int flags) {
    Fd fd(open_retrying(dir, path, flags, 0));
    if (fd)
        return fd;
    if (errno == ENOENT)
        return std::nullopt;
    throw_errno(errno, "open ", path);
}

void write_all(int fd, std::span<const std::byte> bytes, std::string_view what) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0) {
            if (errno == EINTR)
                continue;
            throw_errno(errno, "write ", what);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
}

std::size_t read_some(int fd, std::span<std::byte> into, std::string_view what) {
    for (;;) {
        const ssize_t n = ::read(fd, into.data(), into.size());
        if (n >= 0)
            return static_cast<std::size_t>(n);
        if (errno != EINTR)
            throw_errno(errno, "read ", what);
    }
}

std::size_t read_some_at(int fd, std::span<std::byte> into, std::uint64_t offset, std::string_view what) {
    for (;;) {
        const ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
        if (n >= 0)
            return static_cast<std::size_t>(n);
        if (errno != EINTR)
            throw_errno(errno, "read ", what);
    }
}

std::string read_text(int fd, std::size_t limit, std::string_view what) {
    std::string text;
    std::array<std::byte, 16384> buffer{};
    for (;;) {
        const std::size_t n = read_some(fd, buffer, what);
        if (n == 0)
            return text;
        if (text.size() + n > limit)
            throw Error(ErrorKind::resource_exhausted, what, ": more than ", limit, " bytes");
        text.append(as_text(std::span(buffer).first(n)));
    }
}

} // namespace lade
