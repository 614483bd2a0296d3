// SPDX-License-Identifier: Apache-2.0
// What makes one tree of another (registry-and-unpack.md 5.5). Unlike containerd's, a directory is modified when its
// times or xattrs are, all xattrs count rather than capabilities alone, and nanoseconds are not taken for accidents.
// Files that are alike in all else are compared by what is in them where their times are of whole seconds, and wherever
// it can be known that somebody touched the upper one: in a layer, and by its inode in trees that share them. In copies
// a change that keeps size and time of modification is not seen.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "archive/tree_pair.hpp"
#include "archive/warnings.hpp"
#include "archive/xattrs.hpp"

namespace lade::archive {

// A directory of the upper tree. Whoever has something in it may have to tell of the directory first.
struct Folder {
    std::shared_ptr<Folder> parent; // nullptr: this is the root
    std::string name;               // empty: this is the root
    struct stat st {};
    Xattrs xattrs;
    bool told = false; // the receiver's

    Folder(std::shared_ptr<Folder> in, std::string called, const struct stat& status, Xattrs attributes)
        : parent(std::move(in)), name(std::move(called)), st(status), xattrs(std::move(attributes)) {}
    // A long chain of them goes one after another.
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    // Relative to the root, which is "".
    std::string path() const;
    std::string child(const std::string& of) const;
};

enum class ChangeKind {
    added,
    modified,
    removed,
    same, // no change, but a file of several names in one of the trees: which names those are may have changed
};

struct Change {
    ChangeKind kind = ChangeKind::same;
    std::shared_ptr<Folder> parent; // nullptr: the root itself
    std::string name;
    std::shared_ptr<Folder> self; // of a directory of the upper tree
    struct stat lower {};         // modified, removed, same
    struct stat upper {};         // all but removed
    int directory = -1;           // the upper tree's that it lies in, for as long as the receiver runs

    std::string path() const { return parent ? parent->child(name) : std::string(); }
};

// Tells of all changes in the order of the walk: byte order of the names in a directory, a directory before what is in
// it. What is below a removed directory is not told; what was something else and is a directory, and what is in it, is
// added. Sockets and 0:0 devices cannot be in a layer: in the upper tree they count as nothing, and are warned of. A
// character device 0:0 in the lower tree is nothing. Errors name the path; failed_precondition: a tree changes
// meanwhile.
void compare(const Trees& trees, const std::function<void(const Change&)>& receiver, Warnings& warnings,
             const std::stop_token& stop);

// True when comparing the layer directory `trees.upper` tells of the same changes as comparing the whole tree that it
// makes on top of `trees.lower`. False when the layer says something of names that do not lie in it: directories that
// were renamed by redirect, files whose data is elsewhere, and files copied from one of several names of a lower file
// and not changed, so that only the whole tree shows which names are still one file.
bool can_compare_layer(const Trees& trees, const std::stop_token& stop);

} // namespace lade::archive
