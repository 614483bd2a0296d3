// SPDX-License-Identifier: Apache-2.0
#include "store/mounts.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "snapshot/folder.hpp"
#include "snapshot/mounted.hpp"

namespace lade::store {

namespace {

std::string folder_of(const Store& store) {
    return store.root() + "/snapshots";
}

} // namespace

void mount_snapshot(Store& store, Snapshots& snapshots, const std::string& key, const std::string& target,
                    snapshot::Access access, const std::stop_token& stop) {
    const RangeLock ours = snapshots.lock(key, stop);
    std::vector<snapshot::Mount> mounts = snapshots.mounts(key);
    const Snapshot snapshot = snapshots.get(key);
    // Two overlays with one upper directory are something the kernel does not answer for, and does not refuse.
    if (snapshot.kind == SnapshotKind::active && !mounts.empty() && mounts.back().type != "bind") {
        refuse_mounted(store, snapshots.kind().name(), snapshot);
        snapshots.kind().make_mountable(snapshot.id);
    }
    if (access == snapshot::Access::read_only)
        mounts = read_only(std::move(mounts));
    snapshot::mount_at(mounts, target);
}

std::size_t unmount_snapshots(const Store& store, const std::string& target) {
    return snapshot::unmount_snapshots(folder_of(store), target);
}

std::optional<std::string> find_mount(const Store& store, std::string_view snapshotter, const Snapshot& snapshot) {
    return snapshot::Mounted(folder_of(store)).point_of(snapshot::Folder::entry(snapshotter, snapshot.id));
}

void refuse_mounted(const Store& store, std::string_view snapshotter, const Snapshot& snapshot) {
    if (const auto point = find_mount(store, snapshotter, snapshot))
        throw Error(ErrorKind::failed_precondition, "snapshot ", printable(snapshot.key), " is mounted at ",
                    printable(*point));
}

} // namespace lade::store
