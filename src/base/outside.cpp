// SPDX-License-Identifier: Apache-2.0
#include "base/outside.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

// Texts, each behind its length; they never leave this program.
using Message = std::vector<std::string>;

void write_number(int line, std::uint64_t number) {
    write_all(line, std::as_bytes(std::span(&number, 1)), "another process");
}

void send(int line, const Message& message) {
    write_number(line, message.size());
    for (const std::string& text : message) {
        write_number(line, text.size());
        write_all(line, as_bytes(text), "another process");
    }
}

// False at the end.
bool read_all(int line, std::span<std::byte> into, const std::stop_token& stop) {
    while (!into.empty()) {
        wait_ready(line, POLLIN, stop);
        const std::size_t n = read_some(line, into, "another process");
        if (n == 0)
            return false;
        into = into.subspan(n);
    }
    return true;
}

// An empty one at the end.
Message receive(int line, const std::stop_token& stop) {
    std::uint64_t count = 0;
    Message message;
    if (!read_all(line, std::as_writable_bytes(std::span(&count, 1)), stop))
        return message;
    for (; count > 0; --count) {
        std::uint64_t size = 0;
        std::string text;
        if (!read_all(line, std::as_writable_bytes(std::span(&size, 1)), stop))
            return {};
        text.resize(size);
        if (!read_all(line, std::as_writable_bytes(std::span(text)), stop))
            return {};
        message.push_back(std::move(text));
    }
    return message;
}

std::uint64_t number(const std::string& text) {
    return parse_number(text).value_or(0);
}

constexpr std::size_t fixed_parts = 4;
constexpr std::string_view failure = "error";

Message to_message(const ProgramCall& call) {
    Message message{call.path, call.input, std::to_string(call.limit.count()), std::to_string(call.max_output)};
    message.insert(message.end(), call.arguments.begin(), call.arguments.end());
    return message;
}

ProgramCall to_call(const Message& message) {
    return {.path = message.at(0),
            .arguments = {message.begin() + fixed_parts, message.end()},
            .input = message.at(1),
            .limit = std::chrono::milliseconds(number(message.at(2))),
            .max_output = number(message.at(3))};
}

Message answer(const Message& question) {
    try {
        const ProgramReply reply = ask_program(to_call(question), {});
        return {std::to_string(reply.code), reply.output, reply.errors};
    } catch (const Error& error) {
        return {std::string(failure), std::to_string(static_cast<int>(error.kind())), error.message()};
    }
}

[[noreturn]] void serve(int line, pid_t parent) {
    // Whoever reads what the parent says is not to wait for us.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::dup2(null, standard);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)
        ::_exit(1);
    try {
        for (Message question = receive(line, {}); question.size() >= fixed_parts; question = receive(line, {}))
            send(line, answer(question));
    } catch (const std::exception&) {
        // The other side finds the line closed.
        ::_exit(1);
    }
    ::_exit(0);
}

} // namespace

Outside::Outside() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw_errno(errno, "make a socket");
    line_ = Fd(ends[0]);
    const Fd theirs(ends[1]);
    const pid_t self = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0)
        throw_errno(errno, "start a process");
    if (pid_ == 0) {
        line_.reset();
        serve(theirs.get(), self);
    }
}

Outside::~Outside() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

ProgramReply Outside::ask(const ProgramCall& call, const std::stop_token& stop) {
    const std::scoped_lock lock(mutex_);
    send(line_.get(), to_message(call));
    Message reply = receive(line_.get(), stop);
    constexpr std::size_t parts = 3;
    if (reply.size() != parts)
        throw Error(ErrorKind::internal, call.path, ": the process that was to run it is gone");
    if (reply[0] == failure)
        throw Error(static_cast<ErrorKind>(number(reply[1])), reply[2]);
    return {.code = static_cast<int>(number(reply[0])), .output = std::move(reply[1]), .errors = std::move(reply[2])};
}

} // namespace lade
