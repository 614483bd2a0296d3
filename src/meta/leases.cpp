// SPDX-License-Identifier: Apache-2.0
#include "meta/leases.hpp"

#include "base/error.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"lease_labels"};

} // namespace

Lease Leases::from_row(const Statement& row) {
    return {.id = row.text(1),
            .owner_lock = row.optional_text(2),
            .labels = read_labels(database_, label_table, row.integer(0)),
            .created = row.time(3)};
}

std::vector<Lease> Leases::list() {
    std::vector<Lease> leases;
    Statement rows = database_.query(
        "SELECT id, name, owner_lock, created FROM leases WHERE namespace = ? ORDER BY name", namespace_);
    while (rows.next())
        leases.push_back(from_row(rows));
    return leases;
}

std::optional<Lease> Leases::find(const std::string& id) {
    Statement row = database_.query("SELECT id, name, owner_lock, created FROM leases WHERE namespace = ? AND name = ?",
                                    namespace_, id);
    if (!row.next())
        return std::nullopt;
    return from_row(row);
}

Lease Leases::get(const std::string& id) {
    auto lease = find(id);
    if (!lease)
        throw Error(ErrorKind::not_found, "lease ", printable(id), " not found");
    return *std::move(lease);
}

void Leases::create(const Lease& lease) {
    oci::validate(lease.labels);
    if (lease.id.empty())
        throw Error(ErrorKind::invalid_argument, "a lease needs an id");
    if (database_.run("INSERT OR IGNORE INTO leases (namespace, name, owner_lock, created) VALUES (?, ?, ?, ?)",
                      namespace_, lease.id, lease.owner_lock, now()) == 0)
        throw Error(ErrorKind::already_exists, "lease ", printable(lease.id), " already exists");
    merge_labels(database_, label_table, database_.last_id(), lease.labels);
}

bool Leases::remove(const std::string& id) {
    return database_.run("DELETE FROM leases WHERE namespace = ? AND name = ?", namespace_, id) > 0;
}

std::int64_t Leases::row_of(const std::string& id) {
    Statement row = database_.query("SELECT id FROM leases WHERE namespace = ? AND name = ?", namespace_, id);
    if (!row.next())
        throw Error(ErrorKind::not_found, "lease ", printable(id), " not found");
    return row.integer(0);
}

void Leases::add(const std::string& id, const LeaseResource& resource) {
    database_.run("INSERT OR IGNORE INTO lease_resources (lease, type, key) VALUES (?, ?, ?)", row_of(id),
                  resource.type, resource.key);
}

void Leases::drop(const std::string& id, const LeaseResource& resource) {
    database_.run("DELETE FROM lease_resources WHERE lease = ? AND type = ? AND key = ?", row_of(id), resource.type,
                  resource.key);
}

std::vector<LeaseResource> Leases::resources(const std::string& id) {
    std::vector<LeaseResource> resources;
    Statement rows =
        database_.query("SELECT type, key FROM lease_resources WHERE lease = ? ORDER BY type, key", row_of(id));
    while (rows.next())
        resources.push_back({.type = rows.text(0), .key = rows.text(1)});
    return resources;
}

} // namespace lade::meta
