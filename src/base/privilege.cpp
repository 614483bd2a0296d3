// SPDX-License-Identifier: Apache-2.0
#include "base/privilege.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

constexpr std::uint64_t all_ids = UINT32_MAX;

std::string read_small(const std::string& path) {
    const auto file = find_at(AT_FDCWD, path, O_RDONLY);
    return file ? read_text(file->get(), mib, path) : "";
}

// How many owners there are, by the third column of each line.
std::uint64_t mapped_ids() {
    std::uint64_t count = 0;
    for (const std::string& line : split(read_small("/proc/self/uid_map"), '\n'))
        if (const std::size_t blank = line.find_last_of(' '); blank != std::string::npos)
            count += parse_number(std::string_view(line).substr(blank + 1)).value_or(0);
    return count;
}

bool has_capability(unsigned capability) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    return ::syscall(SYS_capget, &header, sets.data()) == 0 &&
           (sets.at(capability / 32).effective >> (capability % 32) & 1U) != 0;
}

// The arguments of newuidmap or newgidmap: our own id is root, what `file` grants follows from 1 on. Empty: nothing is.
std::vector<std::string> map_arguments(const char* program, pid_t pid, const char* file, std::uint64_t own) {
    const passwd* user = ::getpwuid(::geteuid());
    const std::string name = user == nullptr ? "" : user->pw_name;
    const std::string number = std::to_string(::geteuid());
    std::vector<std::string> arguments{program, std::to_string(pid), "0", std::to_string(own), "1"};
    const std::size_t none = arguments.size();
    std::uint64_t next = 1;
    for (const std::string& line : split(read_small(file), '\n')) {
        const std::vector<std::string> fields = split(line, ':');
        if (fields.size() != 3 || (fields[0] != number && (name.empty() || fields[0] != name)))
            continue;
        const std::uint64_t count = parse_number(fields[2]).value_or(0);
        if (count == 0 || !parse_number(fields[1]))
            continue;
        arguments.insert(arguments.end(), {std::to_string(next), fields[1], fields[2]});
        next += count;
    }
    if (arguments.size() == none)
        arguments.clear();
    return arguments;
}

// Runs a program without a word on our terminal; false unless it ends with 0. For a process with one thread.
bool run_quietly(const std::vector<std::string>& arguments) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::vector<char*> argv;
        argv.reserve(arguments.size() + 1);
        for (const std::string& argument : arguments)
            argv.push_back(const_cast<char*>(argument.c_str()));
        argv.push_back(nullptr);
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const int standard : {0, 1, 2})
            ::dup2(null, standard);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    int status = 0;
    return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A process that stays outside and maps ids for us, once it is told that we are inside.
class Mapper {
public:
    Mapper(const std::vector<std::string>& uids, const std::vector<std::string>& gids) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            return;
        Fd told(ends[0]);
        tell_ = Fd(ends[1]);
        pid_ = ::fork();
        if (pid_ == 0) {
            tell_.reset();
            char word = 0;
            const bool is_asked = ::read(told.get(), &word, 1) == 1;
            ::_exit(is_asked && run_quietly(uids) && run_quietly(gids) ? 0 : 1);
        }
    }
    ~Mapper() { end(); }
    Mapper(const Mapper&) = delete;
    Mapper& operator=(const Mapper&) = delete;

    bool map() {
        if (pid_ <= 0 || ::write(tell_.get(), "", 1) != 1)
            return false;
        return end();
    }

private:
    bool end() noexcept {
        tell_.reset();
        int status = 1;
        const pid_t pid = std::exchange(pid_, -1);
        return pid > 0 && ::waitpid(pid, &status, 0) == pid && status == 0;
    }

    Fd tell_;
    pid_t pid_ = -1;
};

bool write_whole(const char* path, const std::string& text) {
    const Fd file(::open(path, O_WRONLY | O_CLOEXEC));
    return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

} // namespace

Privilege privilege() {
    if (::geteuid() != 0)
        return Privilege::none;
    const std::uint64_t ids = mapped_ids();
    if (!has_capability(CAP_SYS_ADMIN))
        return ids > 1 ? Privilege::contained : Privilege::none;
    if (ids >= all_ids)
        return Privilege::root;
    return ids > 1 ? Privilege::mapped : Privilege::single;
}

std::uint64_t user_outside() {
    const std::uint64_t inside = ::geteuid();
    for (const std::string& line : split(read_small("/proc/self/uid_map"), '\n')) {
        std::vector<std::uint64_t> numbers;
        for (const std::string& word : split(line, ' '))
            if (const auto number = parse_number(word))
                numbers.push_back(*number);
        if (numbers.size() == 3 && inside >= numbers[0] && inside - numbers[0] < numbers[2])
            return numbers[1] + (inside - numbers[0]);
    }
    return inside;
}

std::optional<std::string> enter_user_namespace() {
    if (::geteuid() == 0)
        return std::nullopt;
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    const auto uids = map_arguments("newuidmap", ::getpid(), "/etc/subuid", uid);
    const auto gids = map_arguments("newgidmap", ::getpid(), "/etc/subgid", gid);
    const bool is_granted = !uids.empty() && !gids.empty();
    std::optional<Mapper> mapper;
    if (is_granted)
        mapper.emplace(uids, gids);
    if (::unshare(CLONE_NEWUSER) != 0)
        return cat("no user namespace: ", errno_text(errno));
    if (mapper && mapper->map())
        return std::nullopt;
    if (!write_whole("/proc/self/setgroups", "deny") || !write_whole("/proc/self/uid_map", cat("0 ", uid, " 1")) ||
        !write_whole("/proc/self/gid_map", cat("0 ", gid, " 1")))
        throw_errno(errno, "map the user into a user namespace");
    return is_granted ? "newuidmap and newgidmap failed" : "/etc/subuid and /etc/subgid grant no owners";
}

} // namespace lade
