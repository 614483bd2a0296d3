// SPDX-License-Identifier: Apache-2.0
#include "store/digests.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/content.hpp"

namespace lade::store {

oci::Digest get_digest(Store& store, const std::string& name_space, std::string_view text) {
    if (auto digest = oci::Digest::try_parse(text))
        return *std::move(digest);
    if (!oci::Digest::is_abbreviation(text))
        return oci::Digest::parse(text);
    std::vector<std::string> found;
    for (const oci::Digest& digest :
         meta::Content(store.database(), name_space).starting_with(text, most_candidates + 1))
        found.push_back(digest.string());
    const auto only = only_candidate("digest", text, found);
    if (!only)
        throw Error(ErrorKind::not_found, "content ", printable(text), " not found");
    return oci::Digest::parse(*only);
}

std::optional<std::string> only_candidate(std::string_view what, std::string_view text,
                                          const std::vector<std::string>& found) {
    if (found.empty())
        return std::nullopt;
    if (found.size() == 1)
        return found.front();
    const bool are_more = found.size() > most_candidates;
    std::vector<std::string> shown(found.begin(),
                                   are_more ? found.begin() + std::ptrdiff_t{most_candidates} : found.end());
    throw Error(ErrorKind::invalid_argument, what, ' ', text, " is ambiguous: ", join(shown, ", "),
                are_more ? " and more" : "");
}

} // namespace lade::store
