// SPDX-License-Identifier: Apache-2.0
// Whole-file and directory operations that the store is built of: durable replacement, kernel
// locks. Paths are relative to a directory descriptor that the caller keeps open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace lade {

// mkdir that accepts an existing directory.
void make_directory(int dir, const std::string& name, mode_t mode);

// Sets both times of what `name` is (a link is not followed) to 1970-01-01 00:00 UTC.
void set_epoch(int dir, const std::string& name);

// Makes every missing component of an absolute or relative path, each with `mode`.
void make_directories(const std::string& path, mode_t mode);

void sync_file(int fd, std::string_view what);
// The whole file system that `fd` lies on.
void sync_file_system(int fd, std::string_view what);

// Writes `name` so that a reader (or a reboot) sees the old text or the new one, never a part.
void replace_file(int dir, const std::string& name, std::string_view text, mode_t mode);

// The text of a small file, or nullopt when it does not exist.
std::optional<std::string> find_text(int dir, const std::string& name, std::size_t limit);

// The names in a directory except "." and "..", in byte order; an absent directory is empty.
std::vector<std::string> list_directory(int dir, const std::string& name);

// A flock on an open file or directory; released by the destructor, and by the kernel when the process dies.
enum class LockMode { shared, exclusive };
class FileLock {
public:
    // Waits, polling so that `stop` ends the wait (Error cancelled).
    static FileLock acquire(Fd fd, LockMode mode, const std::stop_token& stop);
    // nullopt when somebody else holds it.
    static std::optional<FileLock> try_acquire(Fd fd, LockMode mode);
    int fd() const noexcept { return fd_.get(); }

private:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

// One of 2^63 independent locks in one file, by open-file-description byte-range lock: nothing to
// create and nothing to clean up per lock. Waits like FileLock::acquire.
class RangeLock {
public:
    static RangeLock acquire(Fd fd, std::uint64_t slot, const std::stop_token& stop);

private:
    explicit RangeLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace lade
