// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

std::string temporary_name(const std::string& name) {
    constexpr std::size_t longest = 200; // of the 255 bytes that a name may have
    return cat('.', name.substr(0, longest), '.', random_text(8), ".tmp");
}

// Nothing where the file system, or the kernel, has no files without a name.
Fd open_nameless(int dir, mode_t mode) {
    return Fd(::openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode));
}

} // namespace

NewFile::NewFile(int dir, std::string name, mode_t mode)
    : dir_(dir), name_(std::move(name)), file_(open_nameless(dir, mode)) {
    if (file_)
        return;
    std::string temporary = temporary_name(name_);
    // The temporary name is nobody's business.
    file_ = Fd(::openat(dir_, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file_)
        throw_errno(errno, "create ", printable(name_));
    temporary_ = std::move(temporary);
}

NewFile::~NewFile() {
    if (!temporary_.empty())
        ::unlinkat(dir_, temporary_.c_str(), 0);
}

bool NewFile::link(const std::string& name) const {
    if (::linkat(AT_FDCWD, proc_path(file_.get()).c_str(), dir_, name.c_str(), AT_SYMLINK_FOLLOW) == 0)
        return true;
    if (errno != EEXIST)
        throw_errno(errno, "create ", printable(name_));
    return false;
}

void NewFile::commit(bool durable) {
    if (durable)
        sync_file(file_.get(), name_);
    if (temporary_.empty()) {
        // A link does not replace what has the name: that takes one more step, by a name for an instant.
        if (!link(name_)) {
            std::string temporary = temporary_name(name_);
            if (!link(temporary))
                throw_errno(EEXIST, "create ", printable(name_));
            temporary_ = std::move(temporary);
        }
    }
    if (!temporary_.empty() && ::renameat(dir_, temporary_.c_str(), dir_, name_.c_str()) != 0)
        throw_errno(errno, "replace ", printable(name_));
    temporary_.clear();
    if (durable)
        sync_file(dir_, ".");
}

void FileSink::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset_));
        if (n < 0) {
            if (errno == EINTR)
                continue;
            throw_errno(errno, "write ", printable(what_));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset_ += static_cast<std::uint64_t>(n);
    }
}

void set_size(int fd, std::uint64_t size, std::string_view what) {
    if (size > 0 && ::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0)
        return;
    if (size > 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
        throw_errno(errno, "write ", printable(what));
    if (::ftruncate(fd, static_cast<off_t>(size)) != 0)
        throw_errno(errno, "write ", printable(what));
}

Place open_place(const std::string& path) {
    std::filesystem::path place(path);
    std::error_code failure;
    if (std::filesystem::is_symlink(place, failure))
        if (auto target = std::filesystem::weakly_canonical(place, failure); !failure)
            place = std::move(target);
    const std::string directory = place.has_parent_path() ? place.parent_path().string() : ".";
    return {.directory = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY), .name = place.filename().string()};
}

void require_replaceable(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
        throw Error(ErrorKind::failed_precondition, printable(path),
                    ": is no regular file; - writes to standard output");
}

} // namespace lade
