// SPDX-License-Identifier: Apache-2.0
// What kernel and file system can do: asked, not guessed from their versions.
#pragma once

#include <string>
#include <string_view>

namespace lade::snapshot {

// The directory at this absolute path, or the nearest above it that is there.
std::string nearest_directory(const std::string& path);

// Whether listings of the directory say what its entries are (d_type), which overlayfs needs.
bool tells_types(const std::string& directory);

// Whether the file system that `directory` would lie on has this magic number (statfs).
bool lies_on(const std::string& directory, long magic);

// Whether the kernel has a file system type, or can load it when it is mounted.
bool has_file_system(std::string_view type);

// Whether overlayfs has the option index=, which it may be built to switch on.
bool overlay_has_index();

} // namespace lade::snapshot
