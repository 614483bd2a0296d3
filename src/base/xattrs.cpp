// SPDX-License-Identifier: Apache-2.0
#include "base/xattrs.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

// `read` takes a buffer and its size. Fails as it does, with -1 and errno.
template <typename Read>
ssize_t read_grown(std::string& into, Read read) {
    into.resize(256);
    ssize_t size = read(into.data(), into.size());
    while (size < 0 && errno == ERANGE) {
        size = read(into.data(), 0);
        if (size < 0)
            break;
        into.resize(static_cast<std::size_t>(size) + 256);
        size = read(into.data(), into.size());
    }
    into.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return size;
}

} // namespace

// The calls have no *at form, and those that take a descriptor take no O_PATH one.
XattrsOf::XattrsOf(int fd) : path_(proc_path(fd)), follow_(true) {}

XattrsOf::XattrsOf(int directory, const std::string& name)
    : path_(cat(proc_path(directory), '/', name)), follow_(false) {}

std::vector<std::string> XattrsOf::list() const {
    const auto call = follow_ ? ::listxattr : ::llistxattr;
    std::string text;
    if (read_grown(text, [&](char* buffer, std::size_t size) { return call(path_.c_str(), buffer, size); }) < 0 &&
        errno != ENOTSUP)
        throw_moved(errno, "list xattrs");
    if (text.empty())
        return {};
    text.pop_back();
    return split(text, '\0');
}

std::optional<std::string> XattrsOf::find(const std::string& xattr) const {
    const auto call = follow_ ? ::getxattr : ::lgetxattr;
    std::string value;
    if (read_grown(value, [&](char* buffer, std::size_t size) {
            return call(path_.c_str(), xattr.c_str(), buffer, size);
        }) >= 0)
        return value;
    if (errno == ENODATA || errno == ENOTSUP)
        return std::nullopt;
    throw_moved(errno, cat("read xattr ", printable(xattr)));
}

int XattrsOf::set(const std::string& xattr, std::string_view value) const {
    const auto call = follow_ ? ::setxattr : ::lsetxattr;
    return call(path_.c_str(), xattr.c_str(), value.data(), value.size(), 0) == 0 ? 0 : errno;
}

int XattrsOf::remove(const std::string& xattr) const {
    const auto call = follow_ ? ::removexattr : ::lremovexattr;
    return call(path_.c_str(), xattr.c_str()) == 0 ? 0 : errno;
}

void copy_xattrs(const XattrsOf& from, const XattrsOf& to) {
    for (const std::string& xattr : from.list()) {
        if (is_overlay_mark(xattr))
            continue;
        const auto value = from.find(xattr);
        const int code = value ? to.set(xattr, *value) : 0;
        if (code != 0 && code != ENOTSUP)
            throw_errno(code, "copy xattr ", printable(xattr));
    }
}

void copy_metadata(int from, int to, const struct stat& status) {
    if (::fchownat(to, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) != 0)
        throw_errno(errno, "set owner");
    copy_xattrs(XattrsOf(from), XattrsOf(to));
    if (!S_ISLNK(status.st_mode) && ::chmod(proc_path(to).c_str(), status.st_mode & 07777U) != 0)
        throw_errno(errno, "set mode");
    const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
    if (::utimensat(to, "", times.data(), AT_EMPTY_PATH) != 0)
        throw_errno(errno, "set times");
}

void copy_metadata(int from, int to) {
    struct stat status {};
    if (::fstat(from, &status) != 0)
        throw_errno(errno, "stat");
    copy_metadata(from, to, status);
}

} // namespace lade
