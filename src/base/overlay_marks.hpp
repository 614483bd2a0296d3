// SPDX-License-Identifier: Apache-2.0
// The xattrs by which overlayfs marks directories for itself. They say what a layer is, and mean nothing anywhere else:
// nothing copies them.
#pragma once

#include <string_view>

#include "base/privilege.hpp"

namespace lade {

// Their prefix: in a user namespace overlayfs has to do without trusted ones.
std::string_view overlay_marks(Privilege privilege) noexcept;
// Whether `xattr` is one, with either prefix.
bool is_overlay_mark(std::string_view xattr) noexcept;

// A directory that hides what lower layers have in it.
bool is_opaque(int directory, std::string_view marks);
void set_opaque(int directory, std::string_view marks);

} // namespace lade
