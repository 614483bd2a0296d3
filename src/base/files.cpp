// SPDX-License-Identifier: Apache-2.0
#include "base/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/error.hpp"

namespace lade {

namespace {

using Dir = std::unique_ptr<DIR, decltype([](DIR* dir) { ::closedir(dir); })>;

} // namespace

void throw_moved(int code, std::string_view what) {
    if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENXIO || code == ESTALE)
        throw Error(ErrorKind::failed_precondition, "was moved, removed or replaced while it was read");
    throw_errno(code, what);
}

std::string proc_path(int fd) {
    return cat("/proc/self/fd/", fd);
}

void make_directory(int dir, const std::string& name, mode_t mode) {
    if (::mkdirat(dir, name.c_str(), mode) != 0 && errno != EEXIST)
        throw_errno(errno, "create directory ", name);
}

void set_epoch(int dir, const std::string& name) {
    const std::array<timespec, 2> epoch{};
    if (::utimensat(dir, name.c_str(), epoch.data(), AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "set times of ", name);
}

void make_directories(const std::string& path, mode_t mode) {
    for (std::size_t end = 1; end != std::string::npos && end < path.size();) {
        end = path.find('/', end);
        const std::string part = path.substr(0, end);
        // EACCES, EROFS on an ancestor that exists are no failure; the last component decides.
        if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST && end == std::string::npos)
            throw_errno(errno, "create directory ", path);
        if (end != std::string::npos)
            ++end;
    }
}

void sync_file(int fd, std::string_view what) {
    if (::fsync(fd) != 0)
        throw_errno(errno, "sync ", what);
}

void sync_file_system(int fd, std::string_view what) {
    if (::syncfs(fd) != 0)
        throw_errno(errno, "sync file system of ", what);
}

std::uint64_t free_bytes(int fd) {
    struct statvfs status {};
    if (::fstatvfs(fd, &status) != 0)
        throw_errno(errno, "free space");
    return std::uint64_t{status.f_bavail} * status.f_frsize;
}

void replace_file(int dir, const std::string& name, std::string_view text, mode_t mode) {
    const std::string temporary = name + ".tmp";
    const Fd file = open_at(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    write_all(file.get(), as_bytes(text), temporary);
    sync_file(file.get(), temporary);
    if (::renameat(dir, temporary.c_str(), dir, name.c_str()) != 0)
        throw_errno(errno, "rename ", temporary);
}

std::optional<std::string> find_text(int dir, const std::string& name, std::size_t limit) {
    const auto file = find_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (!file)
        return std::nullopt;
    struct stat status {};
    if (::fstat(file->get(), &status) != 0)
        throw_errno(errno, "look at ", name);
    // A pipe would be waited for.
    if (!S_ISREG(status.st_mode))
        throw Error(ErrorKind::failed_precondition, name, ": is no file");
    return read_text(file->get(), limit, name);
}

std::vector<std::string> list_directory(int dir, const std::string& name) {
    std::vector<std::string> names;
    auto fd = find_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd)
        return names;
    const Dir open(::fdopendir(fd->get()));
    if (!open)
        throw_errno(errno, "read directory ", name);
    static_cast<void>(fd->release());
    errno = 0;
    while (const dirent* entry = ::readdir(open.get())) {
        const std::string_view child = entry->d_name;
        if (child != "." && child != "..")
            names.emplace_back(child);
    }
    if (errno != 0)
        throw_errno(errno, "read directory ", name);
    std::ranges::sort(names);
    return names;
}

} // namespace lade
