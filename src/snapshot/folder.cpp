// SPDX-License-Identifier: Apache-2.0
#include "snapshot/folder.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

namespace {

bool is_directory(int dir, const std::string& name) {
    struct stat st {};
    return ::fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

} // namespace

Folder::Folder(const std::string& directory) : fd_(open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {}

std::string Folder::entry(std::string_view snapshotter, Id id) {
    return std::string(snapshotter) + '/' + std::to_string(id);
}

std::vector<std::string> Folder::entries(const std::set<std::string>& others) const {
    const std::vector<std::string_view> built_in = snapshotter_names();
    std::vector<std::string> all;
    for (const std::string& name : list_directory(fd_.get(), ".")) {
        const bool is_known = std::ranges::find(built_in, name) != built_in.end() || others.contains(name);
        if (is_known && is_directory(fd_.get(), name)) {
            for (const std::string& below : list_directory(fd_.get(), name))
                all.push_back(cat(name, '/', below));
        } else {
            all.push_back(name);
        }
    }
    std::ranges::sort(all);
    return all;
}

DiskUsage Folder::usage(const std::string& entry) const {
    return disk_usage(fd_.get(), entry);
}

void Folder::discard(const std::string& entry, int trash, const std::string& name) const {
    if (::renameat(fd_.get(), entry.c_str(), trash, name.c_str()) != 0 && errno != ENOENT)
        throw_errno(errno, "snapshots/", printable(entry), ": move to trash");
}

} // namespace lade::snapshot
