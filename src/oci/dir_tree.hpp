// SPDX-License-Identifier: Apache-2.0
// A directory as skopeo's "dir:" has it: one image or index, whose documents and blobs lie beside each other. It has no
// names in it.
#pragma once

#include <string>
#include <string_view>

#include "oci/digest.hpp"

namespace lade::oci::dir_tree {

inline constexpr std::string_view marker = "version";
// The image or the index itself.
inline constexpr std::string_view manifest = "manifest.json";
// More than any marker has.
inline constexpr std::size_t max_marker = 256;

// Whether the text of a file called `marker` is such a tree's. unimplemented: it is, of a version that nobody knows.
bool is_marker(std::string_view text);
// Where a config or a layer lies.
std::string blob_path(const Digest& digest);
// Where the manifests that an index refers to lie.
std::string manifest_path(const Digest& digest);

} // namespace lade::oci::dir_tree
