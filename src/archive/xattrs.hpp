// SPDX-License-Identifier: Apache-2.0
// The xattrs of what lies in a directory; a link is not followed. A name is one component.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lade::archive {

using Xattrs = std::map<std::string, std::string>;

// All names; none where the file system has no xattrs.
std::vector<std::string> list_xattrs(int directory, const std::string& name);
// nullopt: it has none of that name.
std::optional<std::string> find_xattr(int directory, const std::string& name, const std::string& xattr);
// Those that belong to the file and may be in a layer: security.*, user.* and trusted.*, without overlayfs's own marks,
// which belong to the place it lies in.
Xattrs read_xattrs(int directory, const std::string& name);

} // namespace lade::archive
