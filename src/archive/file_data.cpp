// SPDX-License-Identifier: Apache-2.0
#include "archive/file_data.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t piece = 256 * kib;

struct stat status(int file) {
    struct stat st {};
    if (::fstat(file, &st) != 0)
        throw_errno(errno, "stat");
    return st;
}

Fd open_moving(int directory, const std::string& name, int flags) {
    Fd file;
    do
        file = Fd(::openat(directory, name.c_str(), flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    while (!file && errno == EINTR);
    if (!file)
        throw_moved(errno, "open");
    return file;
}

} // namespace

Fd open_directory(int directory, const std::string& name) {
    return open_moving(directory, name, O_DIRECTORY);
}

Fd open_file(int directory, const std::string& name) {
    // Nothing that may have taken its place can make us wait.
    Fd file = open_moving(directory, name, O_NONBLOCK | O_NOCTTY);
    if (!S_ISREG(status(file.get()).st_mode))
        throw_moved(ENOENT, "open");
    return file;
}

std::string read_link(int directory, const std::string& name) {
    std::string target(256, '\0');
    for (;;) {
        const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
        if (size < 0)
            throw_moved(errno == EINVAL ? ENOENT : errno, "read link");
        if (static_cast<std::size_t>(size) < target.size()) {
            target.resize(static_cast<std::size_t>(size));
            return target;
        }
        target.resize(2 * target.size());
    }
}

FileData::FileData(int file) : file_(file), size_(static_cast<std::uint64_t>(status(file).st_size)) {}

std::uint64_t FileData::find_hole() const {
    // Not worth a call.
    if (size_ <= piece)
        return 0;
    const off_t data = ::lseek(file_, static_cast<off_t>(position_), SEEK_DATA);
    if (data >= 0)
        return std::min(static_cast<std::uint64_t>(data), size_) - position_;
    // A hole to the end, if that is still where it was; a file system that knows no holes has data everywhere.
    return errno == ENXIO && static_cast<std::uint64_t>(status(file_).st_size) >= size_ ? size_ - position_ : 0;
}

std::span<const std::byte> FileData::read(std::uint64_t most) {
    const std::uint64_t wanted = std::min<std::uint64_t>({piece, most, size_ - position_});
    if (buffer_.empty())
        buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece, size_)));
    const std::size_t n =
        read_some_at(file_, std::span(buffer_).first(static_cast<std::size_t>(wanted)), position_, "file");
    if (n == 0 && wanted > 0)
        throw Error(ErrorKind::failed_precondition, "became shorter while it was read");
    position_ += n;
    return std::span(buffer_).first(n);
}

bool same_data(const Fd& one, const Fd& other, const std::stop_token& stop) {
    FileData a(one.get());
    FileData b(other.get());
    if (a.size() != b.size())
        return false;
    while (!a.at_end()) {
        check_stop(stop);
        if (const std::uint64_t hole = std::min(a.find_hole(), b.find_hole()); hole > 0) {
            a.skip(hole);
            b.skip(hole);
            continue;
        }
        const auto bytes = a.read();
        for (std::size_t done = 0; done < bytes.size();) {
            const auto others = b.read(bytes.size() - done);
            if (!std::ranges::equal(bytes.subspan(done, others.size()), others))
                return false;
            done += others.size();
        }
    }
    return true;
}

} // namespace lade::archive
