// SPDX-License-Identifier: Apache-2.0
#include "snapshot/features.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

std::string nearest_directory(const std::string& path) {
    std::string found = path;
    struct stat st {};
    while (found.size() > 1 && (::stat(found.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)))
        found.erase(std::max<std::size_t>(found.rfind('/'), 1));
    return found;
}

bool tells_types(const std::string& directory) {
    const std::unique_ptr<DIR, decltype([](DIR* dir) { ::closedir(dir); })> dir(
        ::opendir(nearest_directory(directory).c_str()));
    if (!dir)
        return true;
    // There is always the entry of the directory itself.
    const dirent* entry = ::readdir(dir.get());
    return entry == nullptr || entry->d_type != DT_UNKNOWN;
}

bool lies_on(const std::string& directory, long magic) {
    struct statfs system {};
    return ::statfs(nearest_directory(directory).c_str(), &system) == 0 && system.f_type == magic;
}

bool has_file_system(std::string_view type) {
    // Loads the module as a mount would.
    const Fd context(::fsopen(std::string(type).c_str(), FSOPEN_CLOEXEC));
    return context || errno != ENODEV;
}

bool overlay_has_index() {
    return ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
}

} // namespace lade::snapshot
