// SPDX-License-Identifier: Apache-2.0
// Straight-line blocking work in threads that end together. The first error wins, asks the others to
// stop, and is rethrown after all have been joined. Cancellation is a std::stop_token, passed last.
#pragma once

#include <poll.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace lade {

// Data reachable only through its lock.
template <typename T>
class Guarded {
public:
    template <typename... Args>
    explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

    template <typename Work>
    decltype(auto) with(Work&& work) {
        const std::scoped_lock lock(mutex_);
        return std::forward<Work>(work)(value_);
    }

private:
    std::mutex mutex_;
    T value_;
};

// Sleeps, or throws Error cancelled as soon as `stop` is requested.
void sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop);

// Throws Error cancelled when stop is requested.
void check_stop(const std::stop_token& stop);

// Sleeps until poll() finds one of `events` on the descriptor, or that its other end is gone; throws Error
// cancelled as soon as `stop` is requested.
void wait_ready(int fd, short events, const std::stop_token& stop);

// The same for several descriptors, each with the events it waits for (poll(2)). False when none is ready at `end`.
bool wait_any(std::span<pollfd> fds, std::chrono::steady_clock::time_point end, const std::stop_token& stop);

class TaskGroup {
public:
    // Stopping `outer` stops the group.
    explicit TaskGroup(const std::stop_token& outer);
    // Requests stop and joins; errors not fetched by wait() are dropped.
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    // Starts a thread. The task must not outlive what it refers to: that is what wait() is for.
    void start(std::function<void(const std::stop_token&)> task);
    // Joins all, then rethrows the first error. An error of kind cancelled never wins over another.
    void wait();
    std::stop_token stop_token() const noexcept { return stop_.get_token(); }

private:
    void fail(std::exception_ptr error) noexcept;

    std::stop_source stop_;
    std::stop_callback<std::function<void()>> link_;
    std::mutex mutex_;
    std::exception_ptr first_;
    bool first_is_cancelled_ = false;
    std::vector<std::thread> threads_;
};

// At most `count` holders at once; waiting ends with Error cancelled when `stop` is requested.
class Limiter {
public:
    explicit Limiter(std::size_t count) : free_(count) {}

    class Slot {
    public:
        Slot(Limiter& owner, const std::stop_token& stop);
        ~Slot();
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;

    private:
        Limiter& owner_;
    };

private:
    std::mutex mutex_;
    std::condition_variable_any freed_;
    std::size_t free_;
};

// Blocks SIGINT, SIGTERM and SIGHUP for the whole process (construct it before any other thread), and, once it
// watches, turns the first one into a stop request. The second one kills at once, which is safe: the store's
// consistency rests on order and kernel locks, not on clean-up.
class SignalWatcher {
public:
    SignalWatcher();
    ~SignalWatcher();
    SignalWatcher(const SignalWatcher&) = delete;
    SignalWatcher& operator=(const SignalWatcher&) = delete;

    // Starts its thread. Once.
    void watch();
    std::stop_token stop_token() const noexcept { return stop_.get_token(); }
    // The signal that asked to stop, or 0.
    int received() const noexcept { return received_.load(); }

private:
    std::stop_source stop_;
    std::atomic<int> received_ = 0;
    int wake_ = -1;
    int signals_ = -1;
    std::thread thread_;
};

} // namespace lade
