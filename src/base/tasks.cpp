// SPDX-License-Identifier: Apache-2.0
#include "base/tasks.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace lade {

void check_stop(const std::stop_token& stop) {
    if (stop.stop_requested())
        throw Error(ErrorKind::cancelled, "interrupted");
}

void sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, duration, [] { return false; });
    check_stop(stop);
}

void wait_ready(int fd, short events, const std::stop_token& stop) {
    pollfd one{fd, events, 0};
    static_cast<void>(wait_any({&one, 1}, std::chrono::steady_clock::time_point::max(), stop));
}

bool wait_any(std::span<pollfd> fds, std::chrono::steady_clock::time_point end, const std::stop_token& stop) {
    check_stop(stop);
    // Mostly there is nothing to wait for, and nothing to be made for it.
    if (::poll(fds.data(), fds.size(), 0) > 0)
        return true;
    const Fd stopped(::eventfd(0, EFD_CLOEXEC));
    if (!stopped)
        throw_errno(errno, "wait");
    const std::stop_callback wake(stop, [&] {
        const std::uint64_t one = 1;
        static_cast<void>(!::write(stopped.get(), &one, sizeof one));
    });
    std::vector<pollfd> all(fds.begin(), fds.end());
    all.push_back({stopped.get(), POLLIN, 0});
    for (;;) {
        int patience = -1;
        if (end != std::chrono::steady_clock::time_point::max()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            patience = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
        }
        const int ready = ::poll(all.data(), all.size(), patience);
        if (ready < 0 && errno != EINTR)
            throw_errno(errno, "wait");
        check_stop(stop);
        if (ready >= 0) {
            std::copy_n(all.begin(), fds.size(), fds.begin());
            return ready > 0;
        }
    }
}

TaskGroup::TaskGroup(const std::stop_token& outer) : link_(outer, [this] { stop_.request_stop(); }) {}

TaskGroup::~TaskGroup() {
    stop_.request_stop();
    for (std::thread& thread : threads_)
        if (thread.joinable())
            thread.join();
}

void TaskGroup::fail(std::exception_ptr error) noexcept {
    bool cancelled = false;
    try {
        std::rethrow_exception(error);
    } catch (const Error& e) {
        cancelled = e.kind() == ErrorKind::cancelled;
    } catch (...) {
        cancelled = false;
    }
    {
        const std::scoped_lock lock(mutex_);
        if (!first_ || (first_is_cancelled_ && !cancelled)) {
            first_ = std::move(error);
            first_is_cancelled_ = cancelled;
        }
    }
    stop_.request_stop();
}

void TaskGroup::start(std::function<void(const std::stop_token&)> task) {
    threads_.emplace_back([this, task = std::move(task)] {
        try {
            task(stop_.get_token());
        } catch (...) {
            fail(std::current_exception());
        }
    });
}

void TaskGroup::wait() {
    for (std::thread& thread : threads_)
        thread.join();
    threads_.clear();
    if (first_)
        std::rethrow_exception(std::exchange(first_, nullptr));
}

Limiter::Slot::Slot(Limiter& owner, const std::stop_token& stop) : owner_(owner) {
    std::unique_lock lock(owner_.mutex_);
    if (!owner_.freed_.wait(lock, stop, [&] { return owner_.free_ > 0; }))
        throw Error(ErrorKind::cancelled, "interrupted");
    --owner_.free_;
}

Limiter::Slot::~Slot() {
    {
        const std::scoped_lock lock(owner_.mutex_);
        ++owner_.free_;
    }
    owner_.freed_.notify_one();
}

namespace {

sigset_t watched_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaddset(&set, signal);
    return set;
}

} // namespace

SignalWatcher::SignalWatcher() : wake_(::eventfd(0, EFD_CLOEXEC)) {
    const sigset_t set = watched_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
    if (wake_ < 0 || signals_ < 0)
        throw_errno(errno, "watch signals");
}

void SignalWatcher::watch() {
    thread_ = std::thread([this] {
        std::array<pollfd, 2> fds{{{signals_, POLLIN, 0}, {wake_, POLLIN, 0}}};
        while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
        }
        signalfd_siginfo info{};
        if ((fds[0].revents & POLLIN) != 0 && ::read(signals_, &info, sizeof info) == sizeof info) {
            const int number = static_cast<int>(info.ssi_signo);
            received_ = number;
            stop_.request_stop();
            // From here on the default action is back: the next signal ends the process.
            const sigset_t again = watched_signals();
            std::signal(number, SIG_DFL);
            pthread_sigmask(SIG_UNBLOCK, &again, nullptr);
            while (::poll(fds.data() + 1, 1, -1) < 0 && errno == EINTR) {
            }
        }
    });
}

SignalWatcher::~SignalWatcher() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof one));
    if (thread_.joinable())
        thread_.join();
    ::close(signals_);
    ::close(wake_);
}

} // namespace lade
