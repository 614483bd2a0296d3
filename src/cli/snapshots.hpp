// SPDX-License-Identifier: Apache-2.0
// What the commands of the group `snapshots` share. Each kind of them has a unit of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "store/snapshots.hpp"

namespace lade::archive {
struct Warnings;
}

namespace lade::cli {

// The snapshotter that `flag` names, else the namespace's own choice, else overlayfs: the same for every command, with
// a store or without one. invalid_argument: there is none of that name.
std::string chosen_snapshotter(Context& context, const std::string& flag);

// A command of the group is given the group's own flag --snapshotter.
using SnapshotterFlag = std::shared_ptr<const std::string>;

// Of the store, which must exist, or is made because the command changes it.
store::Snapshots existing_snapshots(Context& context, const SnapshotterFlag& flag);
store::Snapshots changing_snapshots(Context& context, const SnapshotterFlag& flag);

// What a layer could not take along, on stderr.
void tell_warnings(const archive::Warnings& warnings);

Json describe(const store::Snapshot& snapshot, const std::string& snapshotter);

// ls, tree, info, usage, label, rm
void add_snapshot_listings(const Command& group, Context& context, const SnapshotterFlag& flag);
void add_snapshots_why(const Command& group, Context& context, const SnapshotterFlag& flag);
// diff
void add_snapshots_diff(const Command& group, Context& context, const SnapshotterFlag& flag);
// prepare, view, commit
void add_snapshot_making(const Command& group, Context& context, const SnapshotterFlag& flag);
// mounts, mount, unmount
void add_snapshot_mounts(const Command& group, Context& context, const SnapshotterFlag& flag);
// unpack
void add_snapshot_unpack(const Command& group, Context& context, const SnapshotterFlag& flag);

} // namespace lade::cli
