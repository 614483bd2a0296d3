// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor, and whole reads and writes on one. EINTR is retried; other failures are
// thrown as Error by the kind of errno. Every open is close-on-exec.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace lade {

class Fd {
public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd();

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept;

private:
    int fd_ = -1;
};

// Opens `path` (relative to `dir`, or AT_FDCWD); the error names the path.
Fd open_at(int dir, const std::string& path, int flags, mode_t mode = 0);

// As open_at, but a path that does not exist is nullopt.
std::optional<Fd> find_at(int dir, const std::string& path, int flags);

// Writes all of `bytes` at the file's own position. `what` names the file in an error.
void write_all(int fd, std::span<const std::byte> bytes, std::string_view what);

// Up to `into.size()` bytes at the file's own position; 0 is the end.
std::size_t read_some(int fd, std::span<std::byte> into, std::string_view what);

// Up to `into.size()` bytes from `offset`; 0 is the end.
std::size_t read_some_at(int fd, std::span<std::byte> into, std::uint64_t offset, std::string_view what);

// The file's whole text; more than `limit` bytes is resource_exhausted.
std::string read_text(int fd, std::size_t limit, std::string_view what);

inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace lade
