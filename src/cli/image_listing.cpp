// SPDX-License-Identifier: Apache-2.0
#include "cli/image_listing.hpp"

#include "base/error.hpp"
#include "cli/context.hpp"
#include "store/fields.hpp"

namespace lade::cli {

ImageListing::ImageListing(store::Store& store, const std::string& name_space, const Filter& filter)
    : summarizer_(store, name_space) {
    std::vector<store::ListedImage> all = summarizer_.list();
    rows_.reserve(all.size());
    for (store::ListedImage& listed : all) {
        Row row{.listed = std::move(listed)};
        if (filter.matches(store::fields(row.listed.image, [&] { return summary(row); })))
            rows_.push_back(std::move(row));
    }
}

const store::Summary* ImageListing::summary(Row& row) {
    if (row.unreadable)
        return nullptr;
    try {
        return &summarizer_.get(row.listed);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled)
            throw;
        complain(cat("warning: image ", printable(row.listed.image.name), ": ", error.message()));
        row.unreadable = true;
        return nullptr;
    }
}

} // namespace lade::cli
