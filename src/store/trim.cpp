// SPDX-License-Identifier: Apache-2.0
#include "store/trim.hpp"

#include <unistd.h>

#include "base/error.hpp"
#include "meta/namespaces.hpp"
#include "meta/snapshots.hpp"

namespace lade::store {

namespace {

// A commit holds the lock from before it seals until after it trims.
void trim(const Store& store, const snapshot::Snapshotter& snapshotter, const meta::Snapshot& row) {
    const auto ours = store.try_snapshot_lock(row.id);
    if (!ours || row.kind == meta::SnapshotKind::view)
        return;
    if (row.kind == meta::SnapshotKind::committed)
        snapshotter.trim(row.id);
    else
        snapshotter.forget_seal(row.id);
}

} // namespace

void trim_snapshots(Store& store) {
    for (const std::string_view name : snapshot::snapshotter_names()) {
        // Opening one would make its directory.
        if (::access(cat(store.root(), "/snapshots/", name).c_str(), F_OK) != 0)
            continue;
        const auto snapshotter = store.open_snapshotter(name);
        if (!snapshotter->trims())
            continue;
        for (const meta::Namespace& one : meta::Namespaces(store.database()).list())
            for (const meta::Snapshot& row : meta::Snapshots(store.database(), one.name, std::string(name)).list())
                // One may be removed meanwhile.
                attempt([&] { trim(store, *snapshotter, row); });
    }
}

} // namespace lade::store
