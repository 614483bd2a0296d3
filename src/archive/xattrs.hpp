// SPDX-License-Identifier: Apache-2.0
// The xattrs of a tree's files that a layer has to do with.
#pragma once

#include <map>
#include <string>

namespace lade::archive {

using Xattrs = std::map<std::string, std::string>;

// Those that belong to the file and not to the place it lies in, as overlayfs's own marks do: security.*, user.* and
// trusted.*. A link is not followed; `name` is one component.
Xattrs read_xattrs(int directory, const std::string& name);

} // namespace lade::archive
