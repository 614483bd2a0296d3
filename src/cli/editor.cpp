// SPDX-License-Identifier: Apache-2.0
#include "cli/editor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::cli {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(20);

// A job of its own, as shells make them: a process group that has the terminal while it runs.
class Job {
public:
    Job(const std::string& program, const std::string& path)
        : terminal_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
        // Our umask is for unpacked files. Ctrl-C reaches the shell, too, which has to wait for what it means to the
        // editor.
        const std::string script = cat("trap : INT QUIT; umask 077; ", program, " \"$1\"");
        const std::array<const char*, 6> arguments{"sh", "-c", script.c_str(), "sh", path.c_str(), nullptr};
        posix_spawnattr_t attributes;
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setpgroup(&attributes, 0);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        const int failure =
            ::posix_spawn(&pid_, "/bin/sh", nullptr, &attributes, const_cast<char* const*>(arguments.data()), environ);
        ::posix_spawnattr_destroy(&attributes);
        if (failure != 0) {
            pid_ = 0;
            throw_errno(failure, "/bin/sh");
        }
        resume();
    }
    ~Job() {
        if (pid_ > 0) {
            ::kill(-pid_, SIGTERM);
            ::kill(-pid_, SIGCONT);
            ::waitpid(pid_, nullptr, 0);
        }
        take_back();
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    // Its status as waitpid() tells it.
    int wait(const std::stop_token& stop) {
        for (;;) {
            int status = 0;
            const pid_t found = ::waitpid(pid_, &status, WNOHANG | WUNTRACED);
            if (found < 0 && errno != EINTR)
                throw_errno(errno, "wait");
            if (found <= 0) {
                sleep_for(poll_interval, stop);
            } else if (!WIFSTOPPED(status)) {
                pid_ = 0;
                return status;
            } else if (terminal_) {
                // Ctrl-Z: the shell we were started by has to see us stop, too, and wakes only us.
                take_back();
                ::kill(::getpid(), SIGSTOP);
                resume();
            }
        }
    }

private:
    // Who is in the background gives it nothing.
    void resume() {
        if (terminal_ && ::tcgetpgrp(terminal_.get()) == ::getpgrp()) {
            set_foreground(pid_);
            lent_ = true;
        }
        // It may have asked the terminal before it had it, and been stopped.
        ::kill(-pid_, SIGCONT);
    }

    void take_back() {
        if (std::exchange(lent_, false))
            set_foreground(::getpgrp());
    }

    void set_foreground(pid_t group) const {
        // Who is in the background is stopped for this.
        sigset_t blocked;
        sigset_t before;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTTOU);
        ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
        ::tcsetpgrp(terminal_.get(), group);
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    Fd terminal_; // none when nobody sits at one
    pid_t pid_ = 0;
    bool lent_ = false;
};

} // namespace

void run_editor(const std::string& editor, const std::string& path, const std::stop_token& stop) {
    const int status = Job(editor, path).wait(stop);
    if (WIFSIGNALED(status))
        throw Error(ErrorKind::failed_precondition, "editor ", printable(editor), ": ended by signal ",
                    WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        throw Error(ErrorKind::failed_precondition, "editor ", printable(editor), ": exit code ", WEXITSTATUS(status));
}

} // namespace lade::cli
