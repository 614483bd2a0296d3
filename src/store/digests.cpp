// SPDX-License-Identifier: Apache-2.0
#include "store/digests.hpp"

#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/content.hpp"

namespace lade::store {

namespace {

constexpr std::size_t most_candidates = 10;

} // namespace

oci::Digest get_digest(Store& store, const std::string& name_space, std::string_view text) {
    if (auto digest = oci::Digest::try_parse(text))
        return *std::move(digest);
    if (!oci::Digest::is_abbreviation(text))
        return oci::Digest::parse(text);
    const std::vector<oci::Digest> found =
        meta::Content(store.database(), name_space).starting_with(text, most_candidates + 1);
    if (found.empty())
        throw Error(ErrorKind::not_found, "content ", printable(text), " not found");
    if (found.size() == 1)
        return found.front();
    std::vector<std::string> candidates;
    for (std::size_t i = 0; i < found.size() && i < most_candidates; ++i)
        candidates.push_back(found[i].string());
    throw Error(ErrorKind::invalid_argument, "digest ", text, " is ambiguous: ", join(candidates, ", "),
                found.size() > most_candidates ? " and more" : "");
}

} // namespace lade::store
