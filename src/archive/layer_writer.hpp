// SPDX-License-Identifier: Apache-2.0
// The layer that makes one tree of another, as a tar (registry-and-unpack.md 5.6): whoever applies it to the lower tree
// gets the upper one.
#pragma once

#include <optional>
#include <stop_token>

#include "archive/changes.hpp"
#include "archive/tar.hpp"
#include "archive/warnings.hpp"
#include "base/stream.hpp"

namespace lade::archive {

struct LayerOptions {
    // No entry says a later time of change.
    std::optional<EntryTime> latest = std::nullopt;
};

// Writes a whole tar. The same trees give the same bytes, whether `trees.upper` is the whole tree or, where
// can_compare_layer() allows it, an overlay layer of it. Removed names are whiteouts, never opaque markers. A name of
// several in the upper tree is a hard link to the one of them that comes first; names that did not change are told
// again when they became names of what did. Directories come before what is in them, changed or not; the root ("./")
// when it changed. A hole is zeros. What tar has no room for is left out and warned of; without its access control list
// a file is open to its group as far as the list had it, and no further. Errors name the path: failed_precondition: a
// file becomes shorter while it is read, or its name begins with ".wh.", which means something else in a layer.
Warnings write_layer(const Trees& trees, Sink& tar, const LayerOptions& options, const std::stop_token& stop);

} // namespace lade::archive
