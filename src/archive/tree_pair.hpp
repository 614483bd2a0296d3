// SPDX-License-Identifier: Apache-2.0
// Two directory trees, walked side by side: what a name is in the one and in the other. However deep they are, no more
// than a few descriptors are open; links are never followed; paths of more than one component are never used.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"

namespace lade::archive {

// What of a tree does not have the owners that a layer has to say: it was written through mounts that remap them.
struct Remapped {
    // The names that lie in this directory; -1: none but the root.
    int layer = -1;
    // Gives a status the owners that it is to have, or throws. Empty: all have them.
    std::function<void(struct stat&)> undo = {};
};

// Descriptors of two roots; they stay the caller's.
struct Trees {
    int lower = -1; // -1: an empty tree without a root
    int upper = -1;
    // Empty: `upper` is a whole tree. "trusted.overlay." or "user.overlay.": it is a layer directory of overlayfs on
    // top of `lower`, whose marks have this prefix.
    std::string marks = {};
    // What nobody touched is the same inode in both, as it is in layers and in subvolumes, and is not in copies.
    bool share_inodes = false;
    Remapped lower_remapped = {};
    Remapped upper_remapped = {};
};

// What overlayfs has in place of a name that is not there.
bool is_whiteout(const struct stat& st) noexcept;

// One of the trees.
class TreeCursor {
public:
    // -1: nothing is there.
    explicit TreeCursor(int root, const Remapped& remapped = {});

    // The directory that the walk is in; -1: this tree has none of that path.
    int fd() const noexcept { return missing_ > 0 ? -1 : current_.get(); }
    // nullopt: there is nothing of that name. Owners as a layer has to say them.
    std::optional<struct stat> find(const std::string& name) const;
    std::vector<std::string> names() const;
    void enter(const std::string& name, bool exists);
    // failed_precondition: the directory was moved meanwhile.
    void leave();

private:
    using Inode = std::pair<dev_t, ino_t>;
    static Inode inode_of(int fd);

    Fd current_;
    std::vector<Inode> above_; // parents are found again by ".."
    std::size_t missing_ = 0;  // levels below what this tree has
    std::function<void(struct stat&)> undo_;
    std::unique_ptr<TreeCursor> layer_; // of what is remapped, where this one is
};

class TreePair {
public:
    explicit TreePair(const Trees& trees);

    struct Item {
        std::string name;
        // What overlayfs means by "not there" is nullopt. In a whole tree a device like that is what it is.
        std::optional<struct stat> lower;
        std::optional<struct stat> upper;
    };

    // The next name of the directory that the walk is in, in byte order; at its end the walk goes back to the one
    // above. Of a layer only what lies in it comes, and what its opaque directories hide. nullopt: the end.
    std::optional<Item> next();
    // Goes into the directory that was the last item in `upper`. In `lower` too, if it is one there.
    void enter(const Item& item);
    // How many directories lead to the last item, the root included.
    std::size_t depth() const noexcept { return levels_.size(); }

    // The directories that the last item lies in.
    int lower() const noexcept { return lower_.fd(); }
    int upper() const noexcept { return upper_.fd(); }

private:
    struct Level {
        std::vector<std::string> names;
        std::size_t next = 0;
        // Nothing of the lower tree shows through: it is no layer's, or an opaque directory, or lies below one.
        bool whole = false;
    };

    Level open_level(bool whole) const;

    std::string marks_;
    TreeCursor lower_;
    TreeCursor upper_;
    std::vector<Level> levels_;
};

} // namespace lade::archive
