// SPDX-License-Identifier: Apache-2.0
#include "store/containers.hpp"

#include <optional>

#include "meta/namespaces.hpp"

namespace lade::store {

std::vector<Container> Containers::list() {
    return meta::Containers(store_.database(), namespace_).list();
}

std::optional<Container> Containers::find(const std::string& id) {
    return meta::Containers(store_.database(), namespace_).find(id);
}

Container Containers::get(const std::string& id) {
    return meta::Containers(store_.database(), namespace_).get(id);
}

Container Containers::update(const Container& container, const std::vector<std::string>& paths) {
    meta::Transaction transaction(store_.database());
    Container updated = meta::Containers(store_.database(), namespace_).update(container, paths);
    transaction.commit();
    return updated;
}

void Containers::create(const Container& container) {
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Containers(store_.database(), namespace_).create(container);
    transaction.commit();
}

void Containers::create(const Container& container, Snapshots::Draft& draft) {
    meta::Transaction transaction(store_.database());
    draft.finish(container.snapshot_key);
    meta::Containers(store_.database(), namespace_).create(container);
    transaction.commit();
}

void Containers::remove(const std::string& id, bool keep_snapshot, const std::string& lease,
                        const std::stop_token& stop) {
    meta::Containers rows(store_.database(), namespace_);
    const Container container = rows.get(id);
    if (keep_snapshot || container.snapshot_key.empty()) {
        meta::Transaction transaction(store_.database());
        rows.remove(id);
        transaction.commit();
        return;
    }
    Snapshots snapshots(store_, namespace_, container.snapshotter);
    std::optional<RangeLock> ours;
    if (snapshots.find(container.snapshot_key))
        ours = snapshots.lock(container.snapshot_key, stop);
    meta::Transaction transaction(store_.database());
    rows.remove(id);
    std::optional<snapshot::Id> directory;
    if (ours && snapshots.find(container.snapshot_key))
        directory = snapshots.remove_row(container.snapshot_key, lease);
    transaction.commit();
    if (directory)
        snapshots.remove_directory(*directory);
}

} // namespace lade::store
