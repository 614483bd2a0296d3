// SPDX-License-Identifier: Apache-2.0
// argv in, exit code out, and the only place that catches everything.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>

#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/umask.hpp"
#include "cli/app.hpp"
#include "cli/context.hpp"

namespace {

int guarded(int argc, char** argv, lade::SignalWatcher& signals) {
    using lade::ErrorKind;
    try {
        return lade::cli::run(argc, argv, signals);
    } catch (const lade::Error& error) {
        lade::cli::complain(error.message());
        return lade::exit_code(error.kind());
    } catch (const std::bad_alloc&) {
        lade::cli::complain("out of memory");
        return lade::exit_code(ErrorKind::resource_exhausted);
    } catch (const std::exception& error) {
        lade::cli::complain(lade::cat("internal error: ", error.what()));
        return lade::exit_code(ErrorKind::internal);
    }
}

// A tree may be as deep as descriptors last; the soft limit is what it is for the sake of programs that select().
void lift_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A descriptor that is closed would be the next file's that is opened, and texts for people would go into it. What
// stands for it fails when it is used as what it should have been.
void hold_standard_streams() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
        if (::fcntl(fd, F_GETFD) == -1 && ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            std::abort();
}

} // namespace

int main(int argc, char** argv) {
    hold_standard_streams();
    // Every file is made with the mode it shall have: unpacked ones with the image's, the store's own with theirs.
    lade::clear_umask();
    lift_descriptor_limit();
    int code = 0;
    int signal = 0;
    {
        lade::SignalWatcher signals;
        code = guarded(argc, argv, signals);
        signal = signals.received();
    }
    if (signal != 0 && code != 0) {
        // Shells and scripts see that we were interrupted only if we die of it.
        std::signal(signal, SIG_DFL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signal);
        pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
        std::raise(signal);
    }
    return code;
}
