// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/snapshots.hpp"

namespace lade::cli {

namespace {

struct Flags {
    SnapshotterFlag snapshotter;
    std::string key;
    std::string target;
};

void mounts(Context& context, const Flags& flags) {
    Json array = Json::array();
    std::string text;
    for (const snapshot::Mount& mount : existing_snapshots(context, flags.snapshotter).mounts(flags.key)) {
        array.push_back(
            {{"type", mount.type}, {"source", mount.source}, {"target", flags.target}, {"options", mount.options}});
        text += cat("mount -t ", mount.type, ' ', mount.source, ' ', flags.target, mount.options.empty() ? "" : " -o ",
                    join(mount.options, ","), '\n');
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(text);
}

} // namespace

void add_snapshot_mounts(CLI::App& group, Context& context, const SnapshotterFlag& flag) {
    auto flags = std::make_shared<Flags>();
    flags->snapshotter = flag;
    CLI::App& command = add_command(group, "mounts", "print how to mount an active snapshot or view", {"m", "mount"});
    command.add_option("target", flags->target, "where it is to be mounted")->required();
    command.add_option("key", flags->key, "the snapshot")->required();
    add_json(command, context);
    command.callback([&context, flags] { context.command = [&context, flags] { mounts(context, *flags); }; });
}

} // namespace lade::cli
