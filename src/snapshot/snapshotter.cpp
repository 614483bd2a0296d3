// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshotter.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "snapshot/btrfs.hpp"
#include "snapshot/erofs.hpp"
#include "snapshot/native.hpp"
#include "snapshot/overlay.hpp"

namespace lade::snapshot {

std::vector<std::string_view> snapshotter_names() {
    return {"btrfs", "erofs", "native", "overlayfs"};
}

void validate_name(std::string_view name) {
    const std::vector<std::string_view> names = snapshotter_names();
    if (std::ranges::find(names, name) != names.end())
        return;
    const std::vector<std::string> known(names.begin(), names.end());
    throw Error(ErrorKind::invalid_argument, "snapshotter \"", printable(name),
                "\" is not known, there are: ", join(known, ", "));
}

std::unique_ptr<Snapshotter> open_snapshotter(std::string_view name, const std::string& directory,
                                              const std::vector<std::string>& overlay_options) {
    validate_name(name);
    if (name == "btrfs")
        return std::make_unique<Btrfs>(directory);
    if (name == "erofs")
        return std::make_unique<Erofs>(directory, overlay_options);
    if (name == "overlayfs")
        return std::make_unique<Overlay>(directory, overlay_options);
    return std::make_unique<Native>(directory);
}

std::optional<std::string> unusable(std::string_view name, const std::string& directory) {
    if (name == "btrfs")
        return btrfs_unusable(directory);
    if (name == "erofs")
        return erofs_unusable();
    return name == "overlayfs" ? overlay_unusable(directory) : native_unusable();
}

} // namespace lade::snapshot
