// SPDX-License-Identifier: Apache-2.0
// Turns one layer tar into files below a directory (registry-and-unpack.md 5, safety.md 1 and 2).
// Nothing a layer says reaches outside the root. One apply per thread; applies to different roots are
// independent.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "archive/budget.hpp"
#include "archive/warnings.hpp"
#include "base/privilege.hpp"
#include "base/stream.hpp"

namespace lade::archive {

enum class Whiteouts {
    plain,   // a whiteout removes what lower layers put into the same tree
    overlay, // a whiteout becomes a 0:0 device or an opaque xattr in a tree of this layer alone
};

struct ApplyOptions {
    Whiteouts whiteouts = Whiteouts::plain;
    // Devices that may not be made are skipped, and owners that may not be set stay the caller's; `Applied` counts
    // both.
    Privilege privilege = Privilege::root;
};

struct Applied : Warnings {
    std::uint64_t bytes = 0; // of the tar stream, padding and trailing zeros included
    std::uint64_t entries = 0;
    std::uint64_t skipped_devices = 0;
    std::uint64_t skipped_owners = 0;
    // overlay only: directories that exist here because an entry lies in them, without an entry of
    // their own ("" is the root). Their metadata is the lower layers' to give: see settle().
    std::vector<std::string> implied;
    // overlay only: every directory that an entry's path led through when nothing of this layer said that there is one.
    std::vector<std::string> passed_through;
    // overlay only: every whiteout that was made, also where something took its place later.
    std::vector<std::string> whiteouts;
    // overlay only: the layer cannot be applied without seeing the layers below (a hard link to a file
    // of theirs). The tree is incomplete; apply again in plain form on a mount of the whole stack.
    bool needs_lower = false;
};

// Reads `tar` to its very end (trailing bytes belong to the diff ID). `root` is a directory descriptor.
// The process's umask must be 0. invalid_argument or data_loss name the entry; what was made so far stays and is the
// caller's to throw away. A layer entry for the root itself sets the root's owner, mode and times.
// resource_exhausted: the image's budget is used up.
Applied apply(Source& tar, int root, const ApplyOptions& options, Budget& budget, const std::stop_token& stop);

// Second half of an overlay apply, once the lower layers are complete: gives every implied directory of
// `upper` the owner, mode, times and xattrs it has in the nearest of `lowers` (directory descriptors of
// overlay layers, nearest first; the search ends at a whiteout or an opaque directory), and removes the whiteouts
// that hide nothing: where no directory lies below, the kernel would list them. False when a path led through what
// is no directory there (a symbolic link, a file): then the layer must be applied again on a mount.
bool settle(int upper, const Applied& applied, const std::vector<int>& lowers, Privilege privilege);

} // namespace lade::archive
