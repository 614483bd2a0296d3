// SPDX-License-Identifier: Apache-2.0
#include "store/keep.hpp"

#include <vector>

#include "meta/namespaces.hpp"

namespace lade::store {

Kept keep_for_a_day(Store& store, const std::string& name_space, const LeaseResource& resource) {
    Kept kept{.lease = generate_lease_id(), .until = now() + std::chrono::hours(24)};
    keep_as(store, name_space, kept.lease, kept.until, resource);
    return kept;
}

bool keep_as(Store& store, const std::string& name_space, const std::string& id, const std::optional<Time>& until,
             const LeaseResource& resource) {
    const std::string expire(oci::label::gc_expire);
    meta::Transaction transaction(store.database());
    meta::Namespaces(store.database()).ensure(name_space);
    meta::Leases leases(store.database(), name_space);
    Lease lease{.id = id, .owner_lock = std::nullopt, .labels = {}, .created = {}};
    std::vector<LeaseResource> held{resource};
    const auto old = leases.find(id);
    if (old) {
        lease.labels = old->labels;
        const std::vector<LeaseResource> already = leases.resources(id);
        held.insert(held.end(), already.begin(), already.end());
        leases.remove(id);
    }
    lease.labels.erase(expire);
    if (until)
        lease.labels.emplace(expire, rfc3339(*until));
    leases.create(lease);
    for (const LeaseResource& one : held)
        leases.add(id, one);
    transaction.commit();
    return !old;
}

} // namespace lade::store
