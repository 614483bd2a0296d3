// SPDX-License-Identifier: Apache-2.0
// Layers of an image to one tree without a directory to apply them to: the tree is the one that apply() makes as root,
// in plain form, of an empty directory, and what apply() refuses is refused.
#pragma once

#include <cstdint>
#include <stop_token>

#include "archive/budget.hpp"
#include "archive/flat_tree.hpp"
#include "archive/warnings.hpp"
#include "base/stream.hpp"

namespace lade::archive {

// Changes `tree` as the layer says, which is number `layer` to those who ask the tree where data lies. Reads `tar` to
// its very end. Errors are those of apply(); the tree is of no use after one. resource_exhausted, too, when it takes
// more memory than the limits have.
Warnings flatten(Source& tar, std::uint32_t layer, FlatTree& tree, Budget& budget, const std::stop_token& stop);

} // namespace lade::archive
