// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshotter.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "snapshot/native.hpp"
#include "snapshot/overlay.hpp"

namespace lade::snapshot {

std::vector<std::string_view> snapshotter_names() {
    return {"native", "overlayfs"};
}

std::unique_ptr<Snapshotter> open_snapshotter(std::string_view name, const std::string& directory) {
    if (name == "overlayfs")
        return std::make_unique<Overlay>(directory);
    if (name == "native")
        return std::make_unique<Native>(directory);
    std::vector<std::string> known;
    for (const std::string_view one : snapshotter_names())
        known.emplace_back(one);
    throw Error(ErrorKind::invalid_argument, "snapshotter \"", printable(name),
                "\" is not known, there are: ", join(known, ", "));
}

std::optional<std::string> unusable(std::string_view name) {
    return name == "overlayfs" ? overlay_unusable() : native_unusable();
}

} // namespace lade::snapshot
