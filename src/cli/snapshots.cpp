// SPDX-License-Identifier: Apache-2.0
#include "cli/snapshots.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "oci/labels.hpp"
#include "store/namespaces.hpp"

namespace lade::cli {

namespace {

std::string default_snapshotter(Context& context) {
    store::Store* store = context.find_store();
    const auto name_space = store == nullptr ? std::nullopt : store::Namespaces(*store).find(context.name_space);
    if (!name_space)
        return "overlayfs";
    const auto chosen = name_space->labels.find(std::string(oci::label::default_snapshotter));
    return chosen == name_space->labels.end() ? "overlayfs" : chosen->second;
}

} // namespace

std::string chosen_snapshotter(Context& context, const std::string& flag) {
    std::string name = flag.empty() ? default_snapshotter(context) : flag;
    snapshot::validate_name(name);
    return name;
}

store::Snapshots existing_snapshots(Context& context, const SnapshotterFlag& flag) {
    const std::string snapshotter = chosen_snapshotter(context, *flag);
    return {context.existing_store(), context.name_space, snapshotter};
}

store::Snapshots changing_snapshots(Context& context, const SnapshotterFlag& flag) {
    const std::string snapshotter = chosen_snapshotter(context, *flag);
    return {context.store(), context.name_space, snapshotter};
}

Json describe(const store::Snapshot& snapshot, const std::string& snapshotter) {
    return {{"key", snapshot.key},
            {"parent", snapshot.parent},
            {"kind", to_string(snapshot.kind)},
            {"snapshotter", snapshotter},
            {"created", rfc3339(snapshot.created)},
            {"updated", rfc3339(snapshot.updated)},
            {"labels", labels_json(snapshot.labels)}};
}

void add_snapshots(const Command& group, Context& context) {
    const auto flag = std::make_shared<std::string>();
    group.add_option("--snapshotter", *flag, "the snapshotter, the namespace's own or overlayfs unless given")
        .envname("CONTAINERD_SNAPSHOTTER");
    add_snapshot_listings(group, context, flag);
    add_snapshot_making(group, context, flag);
    add_snapshot_mounts(group, context, flag);
    add_snapshot_unpack(group, context, flag);
    add_snapshots_why(group, context, flag);
    add_snapshots_diff(group, context, flag);
}

} // namespace lade::cli
