// SPDX-License-Identifier: Apache-2.0
#include "archive/xattrs.hpp"

#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "archive/file_data.hpp"
#include "base/error.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

// The xattr calls have no *at form; behind this link lies the very directory that the descriptor holds.
std::string path_of(int directory, const std::string& name) {
    return cat("/proc/self/fd/", directory, '/', name);
}

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

bool belongs_to_the_file(std::string_view name) {
    constexpr std::array<std::string_view, 3> kept{"security.", "user.", "trusted."};
    return !is_overlay_mark(name) &&
           std::ranges::any_of(kept, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

} // namespace

std::vector<std::string> list_xattrs(int directory, const std::string& name) {
    const std::string path = path_of(directory, name);
    std::string text;
    if (read_grown(text, [&](char* buffer, std::size_t size) { return ::llistxattr(path.c_str(), buffer, size); }) <
            0 &&
        errno != ENOTSUP)
        throw_moved(errno, "list xattrs");
    if (text.empty())
        return {};
    text.pop_back();
    return split(text, '\0');
}

std::optional<std::string> find_xattr(int directory, const std::string& name, const std::string& xattr) {
    const std::string path = path_of(directory, name);
    std::string value;
    if (read_grown(value, [&](char* buffer, std::size_t size) {
            return ::lgetxattr(path.c_str(), xattr.c_str(), buffer, size);
        }) >= 0)
        return value;
    if (errno == ENODATA || errno == ENOTSUP)
        return std::nullopt;
    throw_moved(errno, cat("read xattr ", printable(xattr)));
}

Xattrs read_xattrs(int directory, const std::string& name) {
    Xattrs all;
    for (const std::string& xattr : list_xattrs(directory, name))
        if (belongs_to_the_file(xattr))
            if (auto value = find_xattr(directory, name, xattr))
                all.emplace(xattr, *std::move(value));
    return all;
}

} // namespace lade::archive
