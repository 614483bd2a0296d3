// SPDX-License-Identifier: Apache-2.0
#include "cli/password.hpp"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "cli/input.hpp"

namespace lade::cli {

namespace {

constexpr std::size_t max_secret = 16 * kib;

void say(std::string_view text) {
    static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

[[noreturn]] void refuse(const std::string& prompt, const std::string& else_by) {
    throw Error(ErrorKind::invalid_argument, prompt, " is needed: ", else_by, ", or at a terminal");
}

class SilentTerminal {
public:
    SilentTerminal() {
        ::tcgetattr(STDIN_FILENO, &before_);
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    ~SilentTerminal() {
        // Without flushing: that would wait for a terminal that takes no output any more.
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
        say("\n");
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;

private:
    termios before_{};
};

std::string read_line(const std::string& prompt, const std::string& else_by, const std::stop_token& stop) {
    say(prompt + ": ");
    std::string line;
    for (;;) {
        wait_ready(STDIN_FILENO, POLLIN, stop);
        std::byte typed{};
        if (read_some(STDIN_FILENO, {&typed, 1}, "the terminal") == 0)
            refuse(prompt, else_by);
        if (typed == std::byte{'\n'})
            return line;
        line.push_back(static_cast<char>(typed));
    }
}

void check_terminal(const std::string& prompt, const std::string& else_by) {
    if (::isatty(STDIN_FILENO) != 1)
        refuse(prompt, else_by);
}

} // namespace

std::string ask_secret(const std::string& prompt, const std::string& else_by, const std::stop_token& stop) {
    check_terminal(prompt, else_by);
    const SilentTerminal silent;
    return read_line(prompt, else_by, stop);
}

std::string ask_openly(const std::string& prompt, const std::string& else_by, const std::stop_token& stop) {
    check_terminal(prompt, else_by);
    return read_line(prompt, else_by, stop);
}

std::string ask_password(const std::string& user, const std::stop_token& stop) {
    return ask_secret("Password", cat("--user ", printable(user), ":PASSWORD"), stop);
}

std::string read_secret(const std::stop_token& stop) {
    Input input(stop);
    StringSink text(max_secret, "a password");
    copy(input, text);
    std::string secret = text.take();
    for (const char end : {'\n', '\r'})
        if (secret.ends_with(end))
            secret.pop_back();
    if (secret.empty())
        throw Error(ErrorKind::invalid_argument, "--password-stdin: nothing comes from standard input");
    return secret;
}

} // namespace lade::cli
