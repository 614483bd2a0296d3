// SPDX-License-Identifier: Apache-2.0
#include "oci/dir_tree.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::oci::dir_tree {

bool is_marker(std::string_view text) {
    constexpr std::string_view beginning = "Directory Transport Version: ";
    constexpr std::string_view known = "1.";
    if (!text.starts_with(beginning))
        return false;
    const std::string_view version = trim(text.substr(beginning.size()));
    if (!version.starts_with(known))
        throw Error(ErrorKind::unimplemented, marker, ": version ", printable(version), " of skopeo's dir:, only ",
                    known, "x is known");
    return true;
}

std::string blob_path(const Digest& digest) {
    return digest.hex();
}

std::string manifest_path(const Digest& digest) {
    return cat(digest.hex(), ".manifest.json");
}

} // namespace lade::oci::dir_tree
