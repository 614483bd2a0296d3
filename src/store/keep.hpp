// SPDX-License-Identifier: Apache-2.0
// A lease for what a command made and nothing holds yet.
#pragma once

#include <optional>
#include <string>

#include "base/text.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

struct Kept {
    std::string lease; // its id
    Time until;
};

// A new lease of 24 hours that holds `resource`. Call it while a LeaseHold still does.
Kept keep_for_a_day(Store& store, const std::string& name_space, const LeaseResource& resource);

// The lease `id` holds `resource` until `until`, nullopt: for ever. One of that id is renewed: what it holds stays, and
// its labels but for the expiry. True when there was none.
bool keep_as(Store& store, const std::string& name_space, const std::string& id, const std::optional<Time>& until,
             const LeaseResource& resource);

} // namespace lade::store
