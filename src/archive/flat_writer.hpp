// SPDX-License-Identifier: Apache-2.0
// A flat tree as one tar, without the tree being anywhere.
#pragma once

#include <stop_token>

#include "archive/entry_data.hpp"
#include "archive/flat_tree.hpp"
#include "archive/warnings.hpp"
#include "base/stream.hpp"

namespace lade::archive {

// Writes `tree` as a tar. The root comes first, as "./"; then what each layer made, the bottom one first, in the order
// of its entries; a directory before what is in it, and a file's other names right behind the first one, as hard links
// to it. So a layer is read once, by `read`, and one that has no data left not at all. A directory that gets something
// after something else came in between is told of once more before, and the root at the end: whoever sets times as soon
// as a directory seems complete, as GNU tar does, then has them right. The same tree gives the same bytes. The warnings
// tell of xattrs that a tar has no room for.
Warnings write_flat(const FlatTree& tree, const ReadLayer& read, Sink& tar, const std::stop_token& stop);

} // namespace lade::archive
