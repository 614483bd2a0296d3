// SPDX-License-Identifier: Apache-2.0
// snapshots/<snapshotter>/<id>: what every directory-based snapshotter does alike.
#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "snapshot/snapshotter.hpp"

namespace lade::snapshot {

class Directories {
public:
    // Opens, or makes, `directory`/`name` (0700: trees of images hold set-user-id files).
    Directories(const std::string& directory, std::string_view name);

    int fd() const noexcept { return fd_.get(); }
    std::string path(const std::string& below) const { return path_ + "/" + below; }
    std::vector<Id> list() const;
    void discard(Id id, int trash, const std::string& name) const;
    // A fresh directory `<id>` with the named empty directories in it. They are as old as the epoch, so that an image
    // that says nothing of its root unpacks alike every time.
    struct Part {
        const char* name;
        mode_t mode;
    };
    void make(Id id, const std::vector<Part>& parts) const;

private:
    std::string path_;
    Fd fd_;
};

// What to mount where every snapshot is a whole tree.
std::vector<Mount> bind_whole(const Snapshotter& kind, const Stack& stack, Access access);

} // namespace lade::snapshot
