// SPDX-License-Identifier: Apache-2.0
// Digests as people write them.
#pragma once

#include <string>
#include <string_view>

#include "oci/digest.hpp"
#include "store/store.hpp"

namespace lade::store {

// The digest that `text` is, whether the namespace has it or not, or else the one it abbreviates of those that the
// namespace has. invalid_argument: it is neither, or the start of several, which are listed; not_found: of none.
oci::Digest get_digest(Store& store, const std::string& name_space, std::string_view text);

} // namespace lade::store
