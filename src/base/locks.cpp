// SPDX-License-Identifier: Apache-2.0
#include "base/locks.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

constexpr auto lock_poll = std::chrono::milliseconds(20);
// Long enough for what usually makes a command wait to pass unseen.
constexpr auto silence = std::chrono::seconds(2);

// One line of /proc/locks, or of /proc/PID/fdinfo/FD after "lock:":
// "2: OFDLCK ADVISORY  WRITE -1 00:2a:1234 0 EOF".
struct HeldLock {
    std::string process; // "-1" for a lock of an open file description: several processes may share it
    bool exclusive = false;
};

std::optional<HeldLock> parse_lock(std::string_view line, const std::string& file, ByteRange range) {
    std::vector<std::string> words = split(line, ' ');
    std::erase(words, "");
    // Those who wait have an arrow more, and hold nothing.
    if (words.size() != 8 || words[5] != file)
        return std::nullopt;
    const std::uint64_t first = parse_number(words[6]).value_or(0);
    const std::uint64_t last = parse_number(words[7]).value_or(UINT64_MAX);
    if (last < range.first || first > range.last)
        return std::nullopt;
    return HeldLock{.process = words[4], .exclusive = words[3] == "WRITE"};
}

// The table does not say whose open file description it is; each process does for its own.
std::set<std::string> processes_with(const std::string& file, ByteRange range) {
    std::set<std::string> found;
    for (const std::string& process : process_ids()) {
        const std::string folder = cat("/proc/", process, "/fdinfo");
        for (const std::string& fd : names_in_proc(folder))
            for (const std::string& line : split(text_in_proc(cat(folder, '/', fd)), '\n'))
                if (line.starts_with("lock:") && parse_lock(std::string_view(line).substr(5), file, range))
                    found.insert(process);
    }
    return found;
}

std::string holders_of(int fd, ByteRange range) {
    struct stat st {};
    return ::fstat(fd, &st) == 0 ? lock_holders(st.st_dev, st.st_ino, range) : std::string(unknown_holder);
}

// Tries until it is done, at the end of the patience once more naming who was in the way.
template <typename Try>
void acquire_lock(int fd, ByteRange range, const Patience& patience, const std::stop_token& stop, Try try_once) {
    const std::function<std::string()> holders = [&] { return holders_of(fd, range); };
    std::optional<LockWait> wait;
    while (!try_once()) {
        if (!wait)
            wait.emplace(patience, holders);
        if (!wait->goes_on())
            throw Error(ErrorKind::unavailable, "locked by ", holders());
        sleep_for(lock_poll, stop);
    }
}

} // namespace

Patience Patience::at_most(std::chrono::nanoseconds longest) const {
    return {.limit = std::min(limit, longest), .tell = tell};
}

bool LockWait::goes_on() {
    const auto waited = Clock::now() - start_;
    if (waited >= patience_.limit)
        return false;
    if (!told_ && patience_.tell && waited >= silence) {
        told_ = true;
        patience_.tell(holders_());
    }
    return true;
}

std::string lock_holders(dev_t device, ino_t inode, ByteRange range) {
    const auto two_digits = [](unsigned int number) {
        const auto byte = static_cast<unsigned char>(number);
        return number < 0x100 ? hex(&byte, 1) : cat(std::hex, number);
    };
    const std::string file = cat(two_digits(major(device)), ':', two_digits(minor(device)), ':', inode);
    std::set<std::string> exclusive;
    std::set<std::string> any;
    for (const std::string& line : split(text_in_proc("/proc/locks"), '\n')) {
        const auto held = parse_lock(line, file, range);
        if (!held)
            continue;
        const std::set<std::string> processes =
            parse_number(held->process) ? std::set{held->process} : processes_with(file, range);
        any.insert(processes.begin(), processes.end());
        if (held->exclusive)
            exclusive.insert(processes.begin(), processes.end());
    }
    std::vector<std::string> described;
    for (const std::string& process : exclusive.empty() ? any : exclusive)
        described.push_back(describe_process(process));
    return described.empty() ? std::string(unknown_holder) : join(described, ", ");
}

FileLock FileLock::acquire(Fd fd, LockMode mode, const Patience& patience, const std::stop_token& stop) {
    std::optional<FileLock> lock;
    const int borrowed = fd.get();
    acquire_lock(borrowed, {.first = 0, .last = UINT64_MAX}, patience, stop, [&] {
        const int how = (mode == LockMode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
        if (::flock(borrowed, how) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            throw_errno(errno, "lock");
        return false;
    });
    return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_acquire(Fd fd, LockMode mode) {
    const int how = (mode == LockMode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    while (::flock(fd.get(), how) != 0) {
        if (errno == EWOULDBLOCK)
            return std::nullopt;
        if (errno != EINTR)
            throw_errno(errno, "lock");
    }
    return FileLock(std::move(fd));
}

namespace {

ByteRange byte_of(std::uint64_t slot) {
    return {.first = slot >> 1U, .last = slot >> 1U};
}

bool try_byte(int fd, ByteRange byte) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(byte.first);
    range.l_len = 1;
    if (::fcntl(fd, F_OFD_SETLK, &range) == 0)
        return true;
    if (errno != EAGAIN && errno != EACCES && errno != EINTR)
        throw_errno(errno, "lock");
    return false;
}

} // namespace

RangeLock RangeLock::acquire(Fd fd, std::uint64_t slot, const Patience& patience, const std::stop_token& stop) {
    acquire_lock(fd.get(), byte_of(slot), patience, stop, [&] { return try_byte(fd.get(), byte_of(slot)); });
    return RangeLock(std::move(fd));
}

std::optional<RangeLock> RangeLock::try_acquire(Fd fd, std::uint64_t slot) {
    if (!try_byte(fd.get(), byte_of(slot)))
        return std::nullopt;
    return RangeLock(std::move(fd));
}

} // namespace lade
