// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/mount_text.hpp"
#include "cli/privilege.hpp"
#include "cli/snapshots.hpp"
#include "store/mounts.hpp"

namespace lade::cli {

namespace {

struct Flags {
    SnapshotterFlag snapshotter;
    std::string key;
    std::string target;
    std::vector<std::string> targets;
    bool read_only = false;
    bool ignored = false;
};

void mounts(Context& context, const Flags& flags) {
    store::Snapshots snapshots = existing_snapshots(context, flags.snapshotter);
    const std::vector<snapshot::Mount> mounts = snapshots.mounts(snapshots.complete(flags.key));
    if (context.json) {
        context.print_json(mounts_json(mounts, flags.target));
        return;
    }
    warn_of_mount_commands(mounts);
    context.print(mount_commands(mounts, flags.target));
}

void mount(Context& context, const Flags& flags) {
    store::Snapshots snapshots = existing_snapshots(context, flags.snapshotter);
    const std::string key = snapshots.complete(flags.key);
    static_cast<void>(snapshots.get(key));
    require_mounting();
    doing([&] { return cat("mount ", printable(key)); },
          [&] {
              store::LeaseHold lease(context.store(), context.name_space, context.lease);
              snapshots.hold(key, lease);
              store::mount_snapshot(context.store(), snapshots, key, flags.target,
                                    flags.read_only ? snapshot::Access::read_only : snapshot::Access::read_write,
                                    context.stop());
          });
}

void unmount(Context& context, const Flags& flags) {
    const store::Store& store = context.existing_store();
    require_mounting();
    for_each_item(flags.targets, [&](const std::string& target) {
        if (store::unmount_snapshots(store, target) == 0)
            throw Error(ErrorKind::failed_precondition, "nothing is mounted at ", printable(target));
    });
}

} // namespace

void add_snapshot_mounts(const Command& group, Context& context, const SnapshotterFlag& flag) {
    auto flags = std::make_shared<Flags>();
    flags->snapshotter = flag;
    const auto add = [&](const Command& command, void (*work)(Context&, const Flags&)) {
        command.runs(context, [&context, flags, work] { work(context, *flags); });
    };

    const Command mounts_command = group.add_command("mounts", "print how to mount an active snapshot or view", {"m"});
    mounts_command.add_option("target", flags->target, "where it is to be mounted").required();
    mounts_command.add_option("key", flags->key, "the snapshot").required();
    mounts_command.add_flag("--temp", flags->ignored, "accepted for ctr, without effect");
    add_json(mounts_command, context);
    add(mounts_command, mounts);

    const Command mount_command = group.add_command("mount", "mount an active snapshot or view");
    needs_rows_only(mount_command, context);
    mount_command.add_option("target", flags->target, "the directory to mount it at").required();
    mount_command.add_option("key", flags->key, "the snapshot").required();
    mount_command.add_flag("--ro", flags->read_only, "read-only, also an active one");
    add(mount_command, mount);

    const Command unmount_command = group.add_command("unmount", "unmount snapshots, and nothing else");
    needs_rows_only(unmount_command, context);
    unmount_command.add_option("target", flags->targets, "the directories they are mounted at").required();
    add(unmount_command, unmount);
}

} // namespace lade::cli
