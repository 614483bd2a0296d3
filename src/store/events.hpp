// SPDX-License-Identifier: Apache-2.0
// The journal of changes, for those who look at it.
#pragma once

#include <cstdint>
#include <vector>

#include "meta/events.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Event;
using meta::kept_events;

// As meta::list_events(): of all namespaces, those after the event `after`, at most `limit`. Waits for no writer.
inline std::vector<Event> list_events(Store& store, std::int64_t after, std::int64_t limit) {
    return meta::list_events(store.database(), after, limit);
}

} // namespace lade::store
