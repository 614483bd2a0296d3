// SPDX-License-Identifier: Apache-2.0
// A faithful copy of a directory tree: types, modes, owners, times, xattrs but overlayfs's own marks, hard links,
// devices.
#pragma once

#include <stop_token>

namespace lade::snapshot {

// Copies what is in `from` into the empty directory `to`, and the metadata of `from` itself. Data is shared
// with the original where the file system can (reflink), and holes stay holes. Needs privilege to keep owners.
void copy_tree(int from, int to, const std::stop_token& stop);

} // namespace lade::snapshot
