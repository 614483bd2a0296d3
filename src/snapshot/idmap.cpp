// SPDX-License-Identifier: Apache-2.0
#include "snapshot/idmap.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <limits>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

namespace {

// The highest number stands for "no id".
constexpr std::uint64_t end_of_ids = std::numeric_limits<std::uint32_t>::max();

IdRange parse_range(const std::string& text) {
    const std::vector<std::string> parts = split(text, ':');
    std::vector<std::uint64_t> numbers;
    for (const std::string& part : parts)
        if (const auto number = parse_number(part); number && *number <= end_of_ids)
            numbers.push_back(*number);
    if (parts.size() != 3 || numbers.size() != 3)
        throw Error(ErrorKind::invalid_argument, "id mapping \"", printable(text), "\": not container:host:size");
    if (numbers[2] == 0 || numbers[0] + numbers[2] > end_of_ids || numbers[1] + numbers[2] > end_of_ids)
        throw Error(ErrorKind::invalid_argument, "id mapping \"", printable(text), "\": not a range of ids");
    return {.container = static_cast<std::uint32_t>(numbers[0]),
            .host = static_cast<std::uint32_t>(numbers[1]),
            .size = static_cast<std::uint32_t>(numbers[2])};
}

// The lines that the kernel wants.
std::string map_of(const std::string& text) {
    std::string lines;
    for (const IdRange& range : parse_id_mapping(text))
        lines += cat(range.container, ' ', range.host, ' ', range.size, '\n');
    return lines;
}

// A process that does nothing but be in a user namespace.
class Sleeper {
public:
    Sleeper() : pid_(static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))) {
        if (pid_ < 0)
            throw_errno(errno, "make a user namespace");
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                ::pause();
        }
    }
    ~Sleeper() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;

    std::string path(std::string_view name) const { return cat("/proc/", pid_, '/', name); }

private:
    pid_t pid_;
};

// It lives as long as a descriptor of it.
Fd make_user_namespace(const std::string& uids, const std::string& gids) {
    const std::string uid_map = map_of(uids);
    const std::string gid_map = map_of(gids);
    const Sleeper sleeper;
    write_all(open_at(AT_FDCWD, sleeper.path("uid_map"), O_WRONLY).get(), as_bytes(uid_map), "uid_map");
    write_all(open_at(AT_FDCWD, sleeper.path("gid_map"), O_WRONLY).get(), as_bytes(gid_map), "gid_map");
    return open_at(AT_FDCWD, sleeper.path("ns/user"), O_RDONLY);
}

} // namespace

std::vector<IdRange> parse_id_mapping(std::string_view text) {
    std::vector<IdRange> ranges;
    for (const std::string& part : split(text, ','))
        ranges.push_back(parse_range(part));
    return ranges;
}

std::uint32_t host_id(const std::vector<IdRange>& ranges, std::uint32_t id) {
    for (const IdRange& range : ranges)
        if (id >= range.container && id - range.container < range.size)
            return range.host + (id - range.container);
    throw Error(ErrorKind::invalid_argument, "id ", id, " is in no range of the id mapping");
}

std::optional<std::uint32_t> container_id(const std::vector<IdRange>& ranges, std::uint32_t id) {
    for (const IdRange& range : ranges)
        if (id >= range.host && id - range.host < range.size)
            return range.container + (id - range.host);
    return std::nullopt;
}

Fd open_remapped(const std::string& source, bool recursive, const std::string& uids, const std::string& gids) {
    const unsigned int all = recursive ? static_cast<unsigned int>(AT_RECURSIVE) : 0U;
    Fd tree(::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | all));
    if (!tree)
        throw_errno(errno, "bind ", printable(source));
    const Fd names = make_user_namespace(uids, gids);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(names.get());
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH | all, &attributes, sizeof attributes) == 0)
        return tree;
    const int code = errno;
    if (code == EINVAL || code == ENOSYS || code == EOPNOTSUPP)
        throw Error(ErrorKind::failed_precondition, "remap owners of ", printable(source),
                    ": this kernel, or the file system, has no idmapped mounts");
    throw_errno(code, "remap owners of ", printable(source));
}

} // namespace lade::snapshot
