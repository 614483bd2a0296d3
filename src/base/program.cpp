// SPDX-License-Identifier: Apache-2.0
#include "base/program.hpp"

#include <fcntl.h>
#include <poll.h>
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
    int output;
};

// Between fork and exec of a program with threads: system calls and nothing else.
[[noreturn]] void become(const Program& program, pid_t parent) {
    constexpr int cannot_start = 127;
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    const int empty = ::open("/dev/null", O_RDONLY);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent && empty >= 0 &&
        ::dup2(empty, STDIN_FILENO) >= 0 && ::dup2(program.output, STDOUT_FILENO) >= 0 &&
        ::dup2(program.output, STDERR_FILENO) >= 0)
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

    int wait(const std::stop_token& stop) {
        if (const Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))); ended)
            wait_ready(ended.get(), POLLIN, stop);
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
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw_errno(errno, "make a pipe");
    const Fd output(ends[0]);
    Fd input(ends[1]);
    Child child(
        {.path = path.c_str(), .arguments = argv.data(), .environment = environment.data(), .output = input.get()});
    input.reset();
    const std::string said = in_one_line(listen(output.get(), stop));
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

} // namespace lade
