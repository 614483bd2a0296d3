// SPDX-License-Identifier: Apache-2.0
#include "meta/expiry.hpp"

#include <optional>

#include "meta/settings.hpp"

namespace lade::meta {

namespace {

constexpr std::string_view looked_at = "gc.looked-at";

// The moment up to which expired things have been looked at. A clock that was set back since makes it worthless.
Time last_look(Database& database, Time now) {
    const auto text = Settings(database).find(looked_at);
    const auto time = text ? parse_rfc3339(*text) : std::nullopt;
    return time && *time <= now ? *time : Time{};
}

} // namespace

bool has_expired(Database& database, Time now) {
    const Time since = last_look(database, now);
    if (database.query("SELECT 1 FROM ingests WHERE expires <= ? AND expires > ? LIMIT 1", now, since).next())
        return true;
    // An expiry in the past may also have been written just now.
    const auto is_news = [&](const Statement& row) {
        const auto end = parse_rfc3339(row.view(0));
        return end && *end < now && (*end >= since || row.time(1) >= since);
    };
    for (Statement images = database.query(
             "SELECT l.value, i.updated FROM image_labels l INDEXED BY images_that_expire JOIN images i ON i.id = "
             "l.owner WHERE l.key = 'containerd.io/gc.expire'");
         images.next();)
        if (is_news(images))
            return true;
    for (Statement leases =
             database.query("SELECT b.value, l.created FROM leases l JOIN lease_labels b ON b.owner = l.id AND b.key = "
                            "'containerd.io/gc.expire' WHERE l.owner_lock IS NULL");
         leases.next();)
        if (is_news(leases))
            return true;
    return false;
}

void remember_expired(Database& database, Time now) {
    Settings(database).put(looked_at, rfc3339(now));
}

void forget_expired(Database& database) {
    Settings(database).put(looked_at, "");
}

std::vector<std::string> owner_locks(Database& database) {
    std::vector<std::string> names;
    for (Statement rows = database.query("SELECT owner_lock FROM leases WHERE owner_lock IS NOT NULL"); rows.next();)
        names.push_back(rows.text(0));
    return names;
}

} // namespace lade::meta
