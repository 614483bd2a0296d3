// SPDX-License-Identifier: Apache-2.0
#include "base/program.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

std::string search_path() {
    const char* path = std::getenv("PATH");
    return path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path;
}

struct Program {
    const char* path;
    char* const* arguments;
    char* const* environment;
    int input; // -1: nothing
    int output;
    int errors;
    mode_t umask;
};

// Between fork and exec of a program with threads: system calls and nothing else.
[[noreturn]] void become(const Program& program, pid_t parent) {
    constexpr int cannot_start = 127;
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::umask(program.umask);
    const int input = program.input >= 0 ? program.input : ::open("/dev/null", O_RDONLY);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent && input >= 0 &&
        ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(program.output, STDOUT_FILENO) >= 0 &&
        ::dup2(program.errors, STDERR_FILENO) >= 0)
        ::execve(program.path, program.arguments, program.environment);
    ::_exit(cannot_start);
}

// A process that does not outlive its owner.
class Child {
public:
    explicit Child(const Program& program) {
        const pid_t self = ::getpid();
        pid_ = ::fork();
        if (pid_ < 0)
            throw_errno(errno, "start a process");
        if (pid_ == 0)
            become(program, self);
    }
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    // Readable as soon as it has ended; none where the kernel is too old.
    Fd ended() const { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))); }

    int wait(const std::stop_token& stop) {
        if (const Fd end = ended(); end)
            wait_ready(end.get(), POLLIN, stop);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0)
            if (errno != EINTR)
                throw_errno(errno, "wait for a process");
        pid_ = 0;
        return status;
    }

private:
    pid_t pid_;
};

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            throw_errno(errno, "make a pipe");
        read = Fd(ends[0]);
        write = Fd(ends[1]);
    }
    Fd read;
    Fd write;
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> all;
    all.reserve(words.size() + 1);
    for (const std::string& word : words)
        all.push_back(const_cast<char*>(word.c_str()));
    all.push_back(nullptr);
    return all;
}

// The last of what is said until all writers are gone.
std::string listen(int output, const std::stop_token& stop) {
    constexpr std::size_t enough = 1000;
    std::string said;
    std::array<std::byte, 4096> buffer{};
    for (;;) {
        wait_ready(output, POLLIN, stop);
        const std::size_t n = read_some(output, buffer, "output");
        if (n == 0)
            return said;
        said += as_text(std::span(buffer).first(n));
        if (said.size() > enough)
            said.erase(0, said.size() - enough);
    }
}

std::string in_one_line(std::string_view text) {
    std::vector<std::string> lines;
    for (const std::string& line : split(text, '\n'))
        if (const std::string_view words = trim(line); !words.empty())
            lines.push_back(printable(words));
    return join(lines, "; ");
}

// What one of several outputs has said so far.
class Ear {
public:
    explicit Ear(Fd fd, std::size_t limit) : fd_(std::move(fd)), limit_(limit) {
        ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    }
    int fd() const noexcept { return fd_.get(); } // -1 at its end
    // All that can be had without waiting.
    void listen(std::string_view program) {
        while (fd_) {
            std::array<char, 4096> buffer{};
            const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0 && errno == EAGAIN)
                return;
            if (n <= 0) {
                fd_.reset();
                return;
            }
            said_.append(buffer.data(), static_cast<std::size_t>(n));
            if (said_.size() > limit_)
                throw Error(ErrorKind::resource_exhausted, program, ": says more than ", limit_, " bytes");
        }
    }
    std::string take() { return std::move(said_); }

private:
    Fd fd_;
    std::size_t limit_;
    std::string said_;
};

} // namespace

std::string find_program(std::string_view name) {
    for (const std::string& directory : split(search_path(), ':')) {
        std::string path = cat(directory, '/', name);
        struct stat st {};
        if (directory.starts_with('/') && ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
            ::access(path.c_str(), X_OK) == 0)
            return path;
    }
    return "";
}

void run_program(const std::string& path, const std::vector<std::string>& arguments, const std::stop_token& stop) {
    std::vector<std::string> words{path};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const std::vector<std::string> variables{"PATH=" + search_path(), "LC_ALL=C"};
    const std::vector<char*> argv = pointers(words);
    const std::vector<char*> environment = pointers(variables);
    constexpr mode_t all = 0;
    Pipe output;
    Child child({.path = path.c_str(),
                 .arguments = argv.data(),
                 .environment = environment.data(),
                 .input = -1,
                 .output = output.write.get(),
                 .errors = output.write.get(),
                 .umask = all});
    output.write.reset();
    const std::string said = in_one_line(listen(output.read.get(), stop));
    const int status = child.wait(stop);
    if (WIFSIGNALED(status)) {
        check_stop(stop);
        throw Error(ErrorKind::failed_precondition, path, ": ended by signal ", WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0)
        throw Error(said.find(errno_text(ENOSPC)) == std::string::npos ? ErrorKind::failed_precondition
                                                                       : ErrorKind::resource_exhausted,
                    path, ": exit code ", WEXITSTATUS(status), said.empty() ? "" : ": ", said);
}

ProgramReply ask_program(const ProgramCall& call, const std::stop_token& stop) {
    constexpr std::size_t fits_a_pipe = 32'000;
    constexpr mode_t own_only = 077;
    if (call.input.size() > fits_a_pipe)
        throw Error(ErrorKind::resource_exhausted, call.path, ": is to be told more than ", fits_a_pipe, " bytes");
    const auto end = std::chrono::steady_clock::now() + call.limit;
    std::vector<std::string> words{call.path};
    words.insert(words.end(), call.arguments.begin(), call.arguments.end());
    const std::vector<char*> argv = pointers(words);
    Pipe input;
    Pipe output;
    Pipe errors;
    write_all(input.write.get(), as_bytes(call.input), "a pipe");
    input.write.reset();
    Child child({.path = call.path.c_str(),
                 .arguments = argv.data(),
                 .environment = environ,
                 .input = input.read.get(),
                 .output = output.write.get(),
                 .errors = errors.write.get(),
                 .umask = own_only});
    output.write.reset();
    errors.write.reset();
    const Fd ended = child.ended();
    if (!ended)
        throw_errno(errno, "watch ", call.path);
    Ear out(std::move(output.read), call.max_output);
    Ear err(std::move(errors.read), call.max_output);
    for (bool is_over = false; !is_over;) {
        std::array<pollfd, 3> fds{{{ended.get(), POLLIN, 0}, {out.fd(), POLLIN, 0}, {err.fd(), POLLIN, 0}}};
        if (!wait_any(fds, end, stop))
            throw Error(ErrorKind::unavailable, call.path, ": not done after ",
                        std::chrono::duration_cast<std::chrono::seconds>(call.limit).count(), " seconds");
        is_over = fds[0].revents != 0;
        out.listen(call.path);
        err.listen(call.path);
    }
    const int status = child.wait(stop);
    constexpr int by_signal = 128;
    return {.code = WIFSIGNALED(status) ? by_signal + WTERMSIG(status) : WEXITSTATUS(status),
            .output = out.take(),
            .errors = err.take()};
}

} // namespace lade
