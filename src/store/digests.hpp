// SPDX-License-Identifier: Apache-2.0
// Digests as people write them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "store/store.hpp"

namespace lade::store {

// The digest that `text` is, whether the namespace has it or not, or else the one it abbreviates of those that the
// namespace has. invalid_argument: it is neither, or the start of several, which are listed; not_found: of none.
oci::Digest get_digest(Store& store, const std::string& name_space, std::string_view text);

// How many to look for, so that only_candidate() can say what there is.
inline constexpr std::size_t most_candidates = 10;
// The only one of what was found to begin with `text`; nullopt: nothing was. invalid_argument: several, of which it
// lists most_candidates; `what` they are.
std::optional<std::string> only_candidate(std::string_view what, std::string_view text,
                                          const std::vector<std::string>& found);

} // namespace lade::store
