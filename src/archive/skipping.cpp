// SPDX-License-Identifier: Apache-2.0
#include "archive/skipping.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace lade::archive {

SkippingFile::SkippingFile(int fd, std::string what) : fd_(fd), what_(std::move(what)) {
    struct stat st {};
    if (::fstat(fd_, &st) != 0)
        throw_errno(errno, "stat ", what_);
    size_ = static_cast<std::uint64_t>(st.st_size);
}

std::size_t SkippingFile::read(std::span<std::byte> into) {
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset_)));
    const std::size_t n = into.empty() ? 0 : read_some_at(fd_, into, offset_, what_);
    offset_ += n;
    return n;
}

std::uint64_t SkippingFile::skip(std::uint64_t count) {
    const std::uint64_t n = std::min(count, size_ - offset_);
    offset_ += n;
    return n;
}

} // namespace lade::archive
