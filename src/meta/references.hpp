// SPDX-License-Identifier: Apache-2.0
// The rows of a store as garbage collection sees them: the objects of all namespaces, the roots, and every reference
// between them (containerd-store.md 3.1 to 3.3), labels included.
#pragma once

#include <functional>

#include "meta/graph.hpp"
#include "meta/leases.hpp"
#include "meta/sqlite.hpp"

namespace lade::meta {

// Fills and finishes an empty graph. `lives` decides about a lease: one that is dead is no root, and a node that
// nothing keeps. An expired image is no root, but may be kept by others. The caller holds a transaction, so that all
// of it is one moment.
void read_references(Database& database, Graph& into, Time time, const std::function<bool(const Lease&)>& lives);

} // namespace lade::meta
