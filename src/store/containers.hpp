// SPDX-License-Identifier: Apache-2.0
// Containers of one namespace as records (containerd-store.md 2.10): nothing here runs. Each change is one transaction,
// the snapshot included.
#pragma once

#include <string>
#include <vector>

#include "meta/containers.hpp"
#include "store/snapshots.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Container;

class Containers {
public:
    Containers(Store& store, std::string name_space) : store_(store), namespace_(std::move(name_space)) {}

    // These have the contracts of meta::Containers.
    std::vector<Container> list();
    std::optional<Container> find(const std::string& id);
    Container get(const std::string& id);
    Container update(const Container& container, const std::vector<std::string>& paths);

    void create(const Container& container);
    // The container and the snapshot `container.snapshot_key` that is made of the draft: both or neither.
    void create(const Container& container, Snapshots::Draft& draft);

    // The container and, unless it is to be kept, its snapshot, which may be gone already. not_found: the container;
    // failed_precondition: the snapshot has children. The people's lease `lease` forgets the snapshot, too.
    void remove(const std::string& id, bool keep_snapshot, const std::string& lease = {},
                const std::stop_token& stop = {});

private:
    Store& store_;
    std::string namespace_;
};

} // namespace lade::store
