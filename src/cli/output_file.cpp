// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace lade::cli {

namespace {

// What is in an image is nobody else's business until its owner says so.
constexpr mode_t mode = 0600;

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
    const std::size_t slash = path_.rfind('/');
    name_ = slash == std::string::npos ? path_ : path_.substr(slash + 1);
    struct stat st {};
    if (name_.empty() || (::stat(path_.c_str(), &st) == 0 && S_ISDIR(st.st_mode)))
        throw Error(ErrorKind::invalid_argument, "output ", printable(path_), " is a directory");
    directory_ = open_at(AT_FDCWD, directory_of(path_), O_RDONLY | O_DIRECTORY);
    file_ = Fd(::openat(directory_.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode));
    if (file_)
        return;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
        throw_errno(errno, "create ", printable(path_));
    temporary_ = cat('.', name_.substr(0, 200), '.', random_text(8));
    file_ = open_at(directory_.get(), temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

OutputFile::~OutputFile() {
    if (!temporary_.empty())
        ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

void OutputFile::write(std::span<const std::byte> bytes) {
    write_all(file_.get(), bytes, path_);
}

void OutputFile::commit() {
    sync_file(file_.get(), path_);
    if (temporary_.empty()) {
        // A link cannot replace what is there, a rename can.
        const std::string name = cat('.', name_.substr(0, 200), '.', random_text(8));
        if (::linkat(AT_FDCWD, proc_path(file_.get()).c_str(), directory_.get(), name.c_str(), AT_SYMLINK_FOLLOW) != 0)
            throw_errno(errno, "create ", printable(path_));
        temporary_ = name;
    }
    if (::renameat(directory_.get(), temporary_.c_str(), directory_.get(), name_.c_str()) != 0)
        throw_errno(errno, "create ", printable(path_));
    temporary_.clear();
}

} // namespace lade::cli
