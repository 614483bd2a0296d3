// SPDX-License-Identifier: Apache-2.0
// A lease for what a command made and nothing holds yet.
#pragma once

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

} // namespace lade::store
