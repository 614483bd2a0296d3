// SPDX-License-Identifier: Apache-2.0
#include "cli/password.hpp"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::cli {

namespace {

void say(std::string_view text) {
    static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

[[noreturn]] void refuse(const std::string& user) {
    throw Error(ErrorKind::invalid_argument, "--user ", printable(user),
                ": a password is needed, as user:password or at a terminal");
}

class SilentTerminal {
public:
    explicit SilentTerminal(const std::string& user) {
        if (::tcgetattr(STDIN_FILENO, &before_) != 0)
            refuse(user);
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

} // namespace

std::string ask_password(const std::string& user, const std::stop_token& stop) {
    const SilentTerminal silent(user);
    say("Password: ");
    std::string password;
    for (;;) {
        wait_ready(STDIN_FILENO, POLLIN, stop);
        std::byte typed{};
        if (read_some(STDIN_FILENO, {&typed, 1}, "the terminal") == 0)
            refuse(user);
        if (typed == std::byte{'\n'})
            return password;
        password.push_back(static_cast<char>(typed));
    }
}

} // namespace lade::cli
