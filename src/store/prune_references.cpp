// SPDX-License-Identifier: Apache-2.0
#include "store/prune_references.hpp"

#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/content.hpp"

namespace lade::store {

namespace {

// "l.<anything>", or of old a number that is not 0, which was the config.
bool keeps_layer(std::string_view key) {
    const std::string start = cat(oci::label::gc_ref_content, '.');
    if (!key.starts_with(start))
        return false;
    const std::string_view rest = key.substr(start.size());
    return rest.starts_with("l.") ||
           (!rest.empty() && rest != "0" && rest.find_first_not_of("0123456789") == std::string_view::npos);
}

} // namespace

std::vector<PrunedBlob> prune_references(Store& store, const std::string& name_space, Mode mode) {
    meta::Content content(store.database(), name_space);
    std::vector<PrunedBlob> pruned;
    for (const meta::Blob& blob : content.list()) {
        PrunedBlob one{.digest = blob.digest, .removed = {}};
        for (const auto& [key, value] : blob.labels)
            if (keeps_layer(key))
                one.removed.emplace(key, value);
        if (!one.removed.empty())
            pruned.push_back(std::move(one));
    }
    if (mode == Mode::dry_run || pruned.empty())
        return pruned;
    meta::Transaction transaction(store.database());
    for (const PrunedBlob& one : pruned) {
        oci::Labels changes = one.removed;
        for (auto& [key, value] : changes)
            value.clear();
        content.label(one.digest, changes);
    }
    transaction.commit();
    return pruned;
}

} // namespace lade::store
