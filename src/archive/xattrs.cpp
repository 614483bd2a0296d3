// SPDX-License-Identifier: Apache-2.0
#include "archive/xattrs.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/overlay_marks.hpp"
#include "base/xattrs.hpp"

namespace lade::archive {

namespace {

bool belongs_to_the_file(std::string_view name) {
    constexpr std::array<std::string_view, 3> kept{"security.", "user.", "trusted."};
    return !is_overlay_mark(name) &&
           std::ranges::any_of(kept, [&](std::string_view prefix) { return name.starts_with(prefix); });
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

} // namespace lade::archive
