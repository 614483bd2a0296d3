// SPDX-License-Identifier: Apache-2.0
// Images as the commands that take filters see them: each with what its documents tell.
#pragma once

#include <string>
#include <vector>

#include "base/filter.hpp"
#include "store/images.hpp"
#include "transfer/image_summary.hpp"

namespace lade::cli {

class ImageListing {
public:
    struct Row {
        store::ListedImage listed;
        bool unreadable = false;
    };

    // The images of the namespace that match, in byte order of their names.
    ImageListing(store::Store& store, const std::string& name_space, const Filter& filter);

    std::vector<Row>& rows() noexcept { return rows_; }
    // nullptr, with one warning, when the documents cannot be read: the other images are still to be listed.
    const store::Summary* summary(Row& row);
    // To be called at the end: what was read need not be read again.
    void remember() noexcept { summarizer_.remember(); }

private:
    transfer::Summarizer summarizer_;
    std::vector<Row> rows_;
};

} // namespace lade::cli
