// SPDX-License-Identifier: Apache-2.0
// The xattrs of a tree's files that a layer has to do with.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace lade::archive {

using Xattrs = std::map<std::string, std::string>;

// Those that belong to the file and not to the place it lies in, as overlayfs's own marks do: security.*, user.*,
// trusted.* and access control lists. A link is not followed; `name` is one component.
Xattrs read_xattrs(int directory, const std::string& name);

// Access control lists of POSIX (acl(5)). Layers have no room for them.
inline constexpr std::string_view access_list = "system.posix_acl_access";
inline constexpr std::string_view default_access_list = "system.posix_acl_default";
// The mode of a file without its access_list: while that is there, the group bits are the most that
// anybody it names may do. Without it they are what the owning group might do, and no more.
unsigned mode_without_access_list(unsigned mode, std::string_view list) noexcept;

} // namespace lade::archive
