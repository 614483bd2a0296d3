// SPDX-License-Identifier: Apache-2.0
// What neither an archive nor the store has, as of one that was made for somebody who has the rest.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "oci/manifest.hpp"

namespace lade::transfer {

class MissingBlobs {
public:
    // Each digest once; `where` tells the image, or the file that should be there.
    void add(std::string_view kind, const oci::Digest& digest, const std::string& where);
    bool empty() const noexcept { return lines_.empty(); }
    // not_found that names them all, when there are any; data_loss when the archive is cut, too.
    void require_none(bool is_cut) const;

private:
    std::set<oci::Digest> digests_;
    std::vector<std::string> lines_;
};

} // namespace lade::transfer
