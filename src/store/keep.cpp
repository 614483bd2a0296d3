// SPDX-License-Identifier: Apache-2.0
#include "store/keep.hpp"

#include "meta/namespaces.hpp"

namespace lade::store {

Kept keep_for_a_day(Store& store, const std::string& name_space, const LeaseResource& resource) {
    Kept kept{.lease = generate_lease_id(), .until = now() + std::chrono::hours(24)};
    meta::Transaction transaction(store.database());
    meta::Namespaces(store.database()).ensure(name_space);
    meta::Leases leases(store.database(), name_space);
    leases.create({.id = kept.lease,
                   .owner_lock = std::nullopt,
                   .labels = {{std::string(oci::label::gc_expire), rfc3339(kept.until)}},
                   .created = {}});
    leases.add(kept.lease, resource);
    transaction.commit();
    return kept;
}

} // namespace lade::store
