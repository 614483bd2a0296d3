// SPDX-License-Identifier: Apache-2.0
#include "meta/events.hpp"

#include <nlohmann/json.hpp>

namespace lade::meta {

namespace {

constexpr std::int64_t trimmed_at_once = 1024;

void trim(Database& database) {
    database.run("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", kept_events);
}

} // namespace

void publish(Database& database, const std::string& name_space, std::string_view topic, const Json& payload) {
    Json told = Json::object();
    for (const auto& [key, value] : payload.items())
        if (value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty())
            told[key] = value;
    database.run("INSERT INTO events (time, namespace, topic, payload) VALUES (?, ?, ?, ?)", now(), name_space, topic,
                 dump_json(told));
    // A collection tells of a hundred thousand: one by one the old ones would cost half as much as the new.
    if (database.last_id() % trimmed_at_once == 0)
        trim(database);
    database.before_commit(&trim);
}

std::vector<Event> list_events(Database& database, std::int64_t after, std::int64_t limit) {
    std::vector<Event> events;
    Statement rows = database.query(
        "SELECT id, time, namespace, topic, payload FROM events WHERE id > ? ORDER BY id LIMIT ?", after, limit);
    while (rows.next())
        events.push_back({.id = rows.integer(0),
                          .time = rows.time(1),
                          .name_space = rows.text(2),
                          .topic = rows.text(3),
                          .payload = rows.text(4)});
    return events;
}

} // namespace lade::meta
