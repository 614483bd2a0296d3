// SPDX-License-Identifier: Apache-2.0
#include "transfer/missing_blobs.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::transfer {

void MissingBlobs::add(std::string_view kind, const oci::Digest& digest, const std::string& where) {
    if (digests_.insert(digest).second)
        lines_.push_back(cat(kind, ' ', digest, " of ", printable(where)));
}

void MissingBlobs::require_none(bool is_cut) const {
    if (lines_.empty())
        return;
    const std::string what = cat(lines_.size(), lines_.size() == 1 ? " blob is" : " blobs are",
                                 " neither in the archive nor in the store: ", join(lines_, ", "));
    if (is_cut)
        throw Error(ErrorKind::data_loss, "the archive is cut short, it has no end: ", what);
    throw Error(ErrorKind::not_found, what);
}

} // namespace lade::transfer
