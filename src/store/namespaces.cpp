// SPDX-License-Identifier: Apache-2.0
#include "store/namespaces.hpp"

namespace lade::store {

namespace {

template <typename Work>
auto in_transaction(Store& store, Work work) {
    meta::Transaction transaction(store.database());
    if constexpr (std::is_void_v<decltype(work())>) {
        work();
        transaction.commit();
    } else {
        auto result = work();
        transaction.commit();
        return result;
    }
}

} // namespace

std::vector<Namespace> Namespaces::list() {
    return meta::Namespaces(store_.database()).list();
}

std::optional<Namespace> Namespaces::find(const std::string& name) {
    return meta::Namespaces(store_.database()).find(name);
}

void Namespaces::create(const std::string& name, const oci::Labels& labels) {
    in_transaction(store_, [&] { meta::Namespaces(store_.database()).create(name, labels); });
}

void Namespaces::label(const std::string& name, const oci::Labels& changes) {
    in_transaction(store_, [&] { meta::Namespaces(store_.database()).label(name, changes); });
}

bool Namespaces::remove(const std::string& name) {
    return in_transaction(store_, [&] { return meta::Namespaces(store_.database()).remove(name); });
}

std::vector<Lease> Leases::list() {
    return meta::Leases(store_.database(), namespace_).list();
}

Lease Leases::get(const std::string& id) {
    return meta::Leases(store_.database(), namespace_).get(id);
}

void Leases::create(const Lease& lease) {
    in_transaction(store_, [&] {
        meta::Namespaces(store_.database()).ensure(namespace_);
        meta::Leases(store_.database(), namespace_).create(lease);
    });
}

bool Leases::remove(const std::string& id) {
    return in_transaction(store_, [&] { return meta::Leases(store_.database(), namespace_).remove(id); });
}

void Leases::add(const std::string& id, const LeaseResource& resource) {
    validate(resource);
    in_transaction(store_, [&] { meta::Leases(store_.database(), namespace_).add(id, resource); });
}

void Leases::drop(const std::string& id, const LeaseResource& resource) {
    validate(resource);
    in_transaction(store_, [&] { meta::Leases(store_.database(), namespace_).drop(id, resource); });
}

std::vector<LeaseResource> Leases::resources(const std::string& id) {
    return meta::Leases(store_.database(), namespace_).resources(id);
}

} // namespace lade::store
