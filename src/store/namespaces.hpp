// SPDX-License-Identifier: Apache-2.0
// Namespaces and people's leases, each change one transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "meta/namespaces.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Namespace;

// The contracts are those of meta::Namespaces.
class Namespaces {
public:
    explicit Namespaces(Store& store) : store_(store) {}

    std::vector<Namespace> list();
    std::optional<Namespace> find(const std::string& name);
    void create(const std::string& name, const oci::Labels& labels);
    void label(const std::string& name, const oci::Labels& changes);
    bool remove(const std::string& name);

private:
    Store& store_;
};

// Leases as people make them, without an owner. The contracts are those of meta::Leases.
class Leases {
public:
    Leases(Store& store, std::string name_space) : store_(store), namespace_(std::move(name_space)) {}

    std::vector<Lease> list();
    // not_found names it.
    Lease get(const std::string& id);
    void create(const Lease& lease);
    bool remove(const std::string& id);
    // As validate(const LeaseResource&), and not_found: no such lease. What is given need not exist.
    void add(const std::string& id, const LeaseResource& resource);
    void drop(const std::string& id, const LeaseResource& resource);
    std::vector<LeaseResource> resources(const std::string& id);

private:
    Store& store_;
    std::string namespace_;
};

} // namespace lade::store
