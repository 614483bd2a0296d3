// SPDX-License-Identifier: Apache-2.0
// How two flat trees differ, name by name.
#pragma once

#include <functional>
#include <string>

#include "archive/flat_tree.hpp"

namespace lade::archive {

// What is not the same of a name that both have.
struct FlatAspects {
    bool type = false;
    bool content = false; // of a file, or the target of a symbolic link, or which device it is
    bool mode = false;
    bool owner = false;
    bool time = false; // of modification
    bool xattrs = false;

    bool any() const noexcept { return type || content || mode || owner || time || xattrs; }
};

struct FlatChange {
    std::string path;                     // "" is the root
    FlatTree::Id before = FlatTree::none; // none: it was added
    FlatTree::Id after = FlatTree::none;  // none: it was removed
    FlatAspects aspects;                  // of what is in both
};

// Asked about two files of the same size, the first of the first tree.
using SameData = std::function<bool(FlatTree::Id, FlatTree::Id)>;

// Tells of each name that only one tree has and of each that differs, in the order of a walk: what is below a directory
// that came or went is told of, too. That names lead to the same file counts nothing. Of files with another type
// nothing else is told.
void compare_flat(const FlatTree& before, const FlatTree& after, const SameData& same_data,
                  const std::function<void(const FlatChange&)>& receiver);

} // namespace lade::archive
