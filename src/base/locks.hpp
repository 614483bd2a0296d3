// SPDX-License-Identifier: Apache-2.0
// Kernel locks between processes: how long to wait for one, and who holds it. The kernel releases them when their
// process dies, so nothing has to be cleaned up after one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/fd.hpp"

namespace lade {

// What a command does when another process is at work on what it needs. Copies are cheap.
struct Patience {
    // For each wait by itself; 0 does not wait at all.
    std::chrono::nanoseconds limit = std::chrono::minutes(1);
    // Told once in a wait that takes longer than people expect, with lock_holders(); from any thread. May be empty.
    std::function<void(const std::string& holders)> tell;

    // The same for what is never held for long.
    Patience at_most(std::chrono::nanoseconds longest) const;
};

// Bytes of a file, both ends included.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

inline constexpr std::string_view unknown_holder = "another process";

// Who holds an exclusive lock on a part of the file, or any lock when nobody does: "process 1234 (lade images pull x)",
// joined by commas (describe_process); unknown_holder when the kernel does not say. No descriptor is opened on the
// file: closing one would drop this process's own locks of the POSIX kind.
std::string lock_holders(dev_t device, ino_t inode, ByteRange range = {.first = 0, .last = UINT64_MAX});

// One wait, from the first failed attempt on.
class LockWait {
public:
    using Clock = std::chrono::steady_clock;

    // `holders` is asked when somebody is to be told. Both must outlive the wait.
    LockWait(const Patience& patience, const std::function<std::string()>& holders)
        : patience_(patience), holders_(holders) {}

    // False at the end of the patience; else another attempt may be made after a pause.
    bool goes_on();

private:
    const Patience& patience_;
    const std::function<std::string()>& holders_;
    Clock::time_point start_ = Clock::now();
    bool told_ = false;
};

// A flock on an open file or directory; released by the destructor, and by the kernel when the process dies.
enum class LockMode { shared, exclusive };
class FileLock {
public:
    // Waits, polling so that `stop` ends the wait (Error cancelled). unavailable at the end of the patience: "locked by
    // process 1234 (...)".
    static FileLock acquire(Fd fd, LockMode mode, const Patience& patience, const std::stop_token& stop);
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
    static RangeLock acquire(Fd fd, std::uint64_t slot, const Patience& patience, const std::stop_token& stop);
    // nullopt when somebody else holds it.
    static std::optional<RangeLock> try_acquire(Fd fd, std::uint64_t slot);

private:
    explicit RangeLock(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

} // namespace lade
