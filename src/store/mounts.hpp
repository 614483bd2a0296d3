// SPDX-License-Identifier: Apache-2.0
// Snapshots where people see them: mounting, unmounting, and leaving alone what is mounted (snapshot::Mounted says what
// can be known).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "store/snapshots.hpp"
#include "store/store.hpp"

namespace lade::store {

// Mounts the active snapshot or view `key` at the directory `target` for everybody who shares our mount namespace;
// read_only also an active one. not_found: the snapshot, or the directory; failed_precondition: it is committed, or an
// active one on top of others that is mounted already (its directories serve one mount), or was with the option
// volatile when the machine stopped; permission_denied. Whoever calls it holds the snapshot by a lease.
void mount_snapshot(Store& store, Snapshots& snapshots, const std::string& key, const std::string& target,
                    snapshot::Access access, const std::stop_token& stop);

// As snapshot::unmount_snapshots().
std::size_t unmount_snapshots(const Store& store, const std::string& target);

// Where the snapshot's own directory is mounted; nullopt: nowhere that we see.
std::optional<std::string> find_mount(const Store& store, std::string_view snapshotter, const Snapshot& snapshot);
// failed_precondition names the place where the snapshot's directory is mounted.
void refuse_mounted(const Store& store, std::string_view snapshotter, const Snapshot& snapshot);

} // namespace lade::store
