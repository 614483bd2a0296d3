// SPDX-License-Identifier: Apache-2.0
// The rows of one namespace as garbage collection sees them: nodes, the references between them, and the
// roots that keep them (containerd-store.md 3.1 to 3.3; expiry of images, flat leases, back references and
// conditions are not read).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "meta/leases.hpp"
#include "meta/sqlite.hpp"

namespace lade::meta {

enum class NodeType { content, snapshot, image, ingest, lease, container };

struct Node {
    NodeType type;
    std::string snapshotter; // of a snapshot, else ""
    std::string key;         // digest, snapshot key, image name, ingest ref, lease id, container id
    bool root = false;
    std::vector<std::uint32_t> references; // indexes of nodes; a label that names nothing gives none
};

// `lives` decides about a lease: one that is dead is no root, and a node that nothing keeps.
std::vector<Node> read_references(Database& database, const std::string& name_space, Time time,
                                  const std::function<bool(const Lease&)>& lives);

} // namespace lade::meta
