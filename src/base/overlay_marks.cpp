// SPDX-License-Identifier: Apache-2.0
#include "base/overlay_marks.hpp"

#include <sys/xattr.h>

#include <cerrno>

#include "base/error.hpp"

namespace lade {

namespace {

constexpr std::string_view trusted_marks = "trusted.overlay.";
constexpr std::string_view user_marks = "user.overlay.";

} // namespace

std::string_view overlay_marks(Privilege privilege) noexcept {
    return privilege == Privilege::root ? trusted_marks : user_marks;
}

bool is_overlay_mark(std::string_view xattr) noexcept {
    return xattr.starts_with(trusted_marks) || xattr.starts_with(user_marks);
}

bool is_opaque(int directory, std::string_view marks) {
    char value = 0;
    return ::fgetxattr(directory, cat(marks, "opaque").c_str(), &value, 1) == 1 && value == 'y';
}

void set_opaque(int directory, std::string_view marks) {
    if (::fsetxattr(directory, cat(marks, "opaque").c_str(), "y", 1, 0) != 0)
        throw_errno(errno, "mark directory opaque");
}

} // namespace lade
