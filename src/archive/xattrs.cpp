// SPDX-License-Identifier: Apache-2.0
#include "archive/xattrs.hpp"

#include <algorithm>
#include <array>

#include "base/overlay_marks.hpp"
#include "base/xattrs.hpp"

namespace lade::archive {

namespace {

bool belongs_to_the_file(std::string_view name) {
    constexpr std::array<std::string_view, 3> kept{"security.", "user.", "trusted."};
    return name == access_list || name == default_access_list ||
           (!is_overlay_mark(name) &&
            std::ranges::any_of(kept, [&](std::string_view prefix) { return name.starts_with(prefix); }));
}

unsigned little_endian(std::string_view two_bytes) {
    return static_cast<unsigned char>(two_bytes[0]) | unsigned{static_cast<unsigned char>(two_bytes[1])} << 8U;
}

} // namespace

Xattrs read_xattrs(int directory, const std::string& name) {
    const XattrsOf file(directory, name);
    Xattrs all;
    for (const std::string& xattr : file.list())
        if (belongs_to_the_file(xattr))
            if (auto value = file.find(xattr))
                all.emplace(xattr, *std::move(value));
    return all;
}

// As the kernel has it (uapi/linux/posix_acl_xattr.h): a version of four bytes, then tag, permissions and id of each.
unsigned mode_without_access_list(unsigned mode, std::string_view list) noexcept {
    constexpr std::size_t head = 4;
    constexpr std::size_t entry = 8;
    constexpr unsigned group_tag = 0x04;
    constexpr unsigned mask_tag = 0x10;
    unsigned group = 0;
    unsigned mask = 07;
    for (std::size_t at = head; at + entry <= list.size(); at += entry) {
        const unsigned tag = little_endian(list.substr(at, 2));
        const unsigned permissions = little_endian(list.substr(at + 2, 2));
        if (tag == group_tag)
            group = permissions;
        else if (tag == mask_tag)
            mask = permissions;
    }
    return (mode & ~070U) | (mode & (group & mask & 07U) << 3U);
}

} // namespace lade::archive
