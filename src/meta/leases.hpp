// SPDX-License-Identifier: Apache-2.0
// Rows of leases and what they hold (containerd-store.md 2.8).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

struct Lease {
    std::string id;
    std::optional<std::string> owner_lock; // file below locks/ that the owning process holds
    oci::Labels labels;                    // the expiry is the label containerd.io/gc.expire
    Time created{};
};

// `type` is content, ingests, images or snapshots/<snapshotter>.
struct LeaseResource {
    std::string type;
    std::string key;
};

class Leases {
public:
    Leases(Database& database, std::string name_space) : database_(database), namespace_(std::move(name_space)) {}

    // In byte order of the id.
    std::vector<Lease> list();
    std::optional<Lease> find(const std::string& id);
    // not_found names it.
    Lease get(const std::string& id);
    // already_exists.
    void create(const Lease& lease);
    // False when there is none.
    bool remove(const std::string& id);
    // Adding twice is one entry. not_found: no such lease.
    void add(const std::string& id, const LeaseResource& resource);
    // One that is not held is success. not_found: no such lease.
    void drop(const std::string& id, const LeaseResource& resource);
    // By type, then key, in byte order. not_found: no such lease.
    std::vector<LeaseResource> resources(const std::string& id);

private:
    Lease from_row(const Statement& row);
    std::int64_t row_of(const std::string& id);

    Database& database_;
    std::string namespace_;
};

} // namespace lade::meta
