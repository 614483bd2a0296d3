// SPDX-License-Identifier: Apache-2.0
#include "archive/metadata.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"
#include "base/xattrs.hpp"

namespace lade::archive {

namespace {

// 0, or what errno says.
int set_xattr(int fd, const std::string& name, const std::string& value) {
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0)
        return 0;
    return errno == EBADF ? XattrsOf(fd).set(name, value) : errno;
}

// The kernel has them of files and directories alone. A hard link is whatever it leads to.
bool may_have_user_xattrs(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0)
        throw_errno(errno, "stat");
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

} // namespace

Times times_of(const Entry& entry) {
    const auto convert = [](const EntryTime& time) {
        return timespec{.tv_sec = static_cast<time_t>(time.seconds), .tv_nsec = static_cast<long>(time.nanoseconds)};
    };
    return {convert(entry.atime), convert(entry.mtime)};
}

Metadata::Metadata(Privilege privilege, Applied& applied)
    : privilege_(privilege), uid_(::geteuid()), gid_(::getegid()), applied_(applied) {}

bool Metadata::owned_by_default(const Entry& entry, bool set_gid_directory) const noexcept {
    return entry.uid == uid_ && entry.gid == gid_ && !set_gid_directory;
}

void Metadata::set_owner(int fd, const Entry& entry) {
    if (!may_set_owner(privilege_)) {
        if (entry.uid != uid_ || entry.gid != gid_)
            ++applied_.skipped_owners;
        return;
    }
    if (::fchownat(fd, "", entry.uid, entry.gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
        return;
    if (errno == EINVAL && privilege_ != Privilege::root)
        throw Error(ErrorKind::permission_denied, "owner ", entry.uid, ':', entry.gid,
                    " is beyond what /etc/subuid and /etc/subgid grant");
    throw_errno(errno, "set owner ", entry.uid, ':', entry.gid);
}

void Metadata::set_xattrs(int fd, const Entry& entry) {
    for (const auto& [name, value] : entry.xattrs) {
        // overlayfs would believe them (safety.md 1.6).
        if (is_overlay_mark(name))
            continue;
        const int code = set_xattr(fd, name, value);
        if (code == 0)
            continue;
        if (code == ENOTSUP) {
            if (applied_.unsaid_warnings > 0 || warned_.insert(name).second)
                applied_.warn(cat("xattr ", printable(name), " is not supported here and left out"));
        } else if (code != EPERM ||
                   (privilege_ == Privilege::root && (!name.starts_with("user.") || may_have_user_xattrs(fd)))) {
            throw_errno(code, "set xattr ", printable(name));
        }
    }
}

void Metadata::clear_xattrs(int fd) {
    const XattrsOf file(fd);
    for (const std::string& name : file.list()) {
        if (is_overlay_mark(name) || name == "security.selinux")
            continue;
        if (const int code = file.remove(name); code != 0 && code != ENODATA && code != EPERM)
            throw_errno(code, "remove xattr ", printable(name));
    }
}

void Metadata::set_mode(int fd, mode_t mode) const {
    if (::fchmod(fd, mode) != 0 && (errno != EBADF || ::chmod(proc_path(fd).c_str(), mode) != 0))
        throw_errno(errno, "set mode");
}

void Metadata::set_times(int fd, const Times& times) {
    if (::futimens(fd, times.data()) == 0)
        return;
    if (errno != EBADF || ::utimensat(fd, "", times.data(), AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "set times");
}

} // namespace lade::archive
