// SPDX-License-Identifier: Apache-2.0
#include "snapshot/directories.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"

namespace lade::snapshot {

Directories::Directories(const std::string& directory, std::string_view name) : path_(cat(directory, '/', name)) {
    // On a read-only file system it is needed by nobody who gets here: there are no snapshots of this kind.
    if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
        if (errno == EROFS)
            return;
        throw_errno(errno, "make directory ", path_);
    }
    fd_ = open_at(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::vector<Id> Directories::list() const {
    std::vector<Id> ids;
    for (const std::string& name : list_directory(fd_.get(), "."))
        if (const auto id = parse_number(name))
            ids.push_back(static_cast<Id>(*id));
    return ids;
}

void Directories::discard(Id id, int trash, const std::string& name) const {
    if (::renameat(fd_.get(), std::to_string(id).c_str(), trash, name.c_str()) != 0 && errno != ENOENT)
        throw_errno(errno, "snapshot directory ", id, ": move to trash");
}

void Directories::make(Id id, const std::vector<Part>& parts) const {
    // Ids are never used twice, so a directory of this name can only be left over from a transaction that did
    // not commit.
    const std::string name = std::to_string(id);
    remove_tree(fd_.get(), name);
    make_directory(fd_.get(), name, 0700);
    for (const Part& part : parts) {
        const std::string path = cat(name, '/', part.name);
        make_directory(fd_.get(), path, part.mode);
        set_epoch(fd_.get(), path);
    }
}

std::vector<Mount> bind_whole(const Snapshotter& kind, const Stack& stack, Access access) {
    if (access == Access::read_write)
        return {{.type = "bind", .source = kind.path(stack.id), .point = {}, .options = {"rbind", "rw"}}};
    return {{.type = "bind",
             .source = kind.path(stack.parents.empty() ? stack.id : stack.parents.front()),
             .point = {},
             .options = {"rbind", "ro"}}};
}

} // namespace lade::snapshot
