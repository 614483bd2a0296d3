// SPDX-License-Identifier: Apache-2.0
// The journal of changes (containerd-store.md 1.7): a row per event, written in the transaction of the change it tells
// of, so that there is no event of what did not happen and no change without its event.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "meta/sqlite.hpp"

namespace lade::meta {

// How many the journal keeps.
inline constexpr std::int64_t kept_events = 10'000;

struct Event {
    std::int64_t id = 0; // grows, never used twice
    Time time{};
    std::string name_space;
    std::string topic;   // e.g. "/images/create"
    std::string payload; // a JSON object
};

// Call it inside the transaction of the change. Members of `payload` that are empty are left out. The oldest events
// beyond `kept_events` go.
void publish(Database& database, const std::string& name_space, std::string_view topic, const Json& payload);

// Of all namespaces, in the order they happened: those with a greater id than `after`, at most `limit`.
std::vector<Event> list_events(Database& database, std::int64_t after, std::int64_t limit = kept_events);

} // namespace lade::meta
