// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/privilege.hpp"
#include "cli/snapshots.hpp"
#include "cli/unpacking.hpp"
#include "transfer/mount_image.hpp"

namespace lade::cli {

namespace {

struct MountFlags {
    std::string name;
    std::string target;
    std::string snapshotter;
    std::string expiration = "1h";
    std::vector<std::string> labels;
    bool writable = false;
    bool ignored = false;
    UnpackFlags unpack;
};

struct UnmountFlags {
    std::vector<std::string> targets;
    std::string snapshotter;
    bool remove = false;
};

// A directory, or with --rm the key of a view that was made without one.
std::string key_to_unmount(Context& context, const UnmountFlags& flags, const std::string& snapshotter,
                           const std::string& text) {
    std::string key = key_of_place(text);
    if (!flags.remove || text.starts_with('/') || ::access(key.c_str(), F_OK) == 0)
        return key;
    store::Snapshots snapshots(context.existing_store(), context.name_space, snapshotter);
    if (snapshots.find(key))
        return key;
    static_cast<void>(snapshots.get(text));
    return text;
}

void mount(Context& context, const MountFlags& flags) {
    const auto expiration = parse_duration(flags.expiration);
    if (!expiration)
        throw Error(ErrorKind::invalid_argument, "--expiration ", printable(flags.expiration),
                    ": not a duration such as 1h or 90m");
    const std::string snapshotter = chosen_snapshotter(context, flags.snapshotter);
    if (!flags.target.empty())
        require_mounting();
    const transfer::MountImageOptions options{.image = get_image(context, flags.name).name,
                                              .unpack = flags.unpack.options(context, snapshotter),
                                              .target = flags.target.empty() ? "" : key_of_place(flags.target),
                                              .writable = flags.writable,
                                              .expiration = *expiration,
                                              .labels = parse_labels(flags.labels)};
    std::optional<transfer::MountedImage> mounted;
    doing([&] { return cat("mount ", printable(flags.name)); },
          [&] {
              flags.unpack.progress.show(context, [&](transfer::Progress& progress) {
                  mounted = transfer::mount_image(context.store(), options, progress, context.stop());
              });
          });
    if (context.json)
        context.print_json({{"name", options.image},
                            {"chain_id", mounted->top.string()},
                            {"key", mounted->key},
                            {"target", mounted->place},
                            {"lease", mounted->key},
                            {"expires", mounted->until ? Json(rfc3339(*mounted->until)) : Json()}});
    else
        context.print(cat(mounted->top.string(), '\n', mounted->place, '\n'));
}

void unmount(Context& context, const UnmountFlags& flags) {
    const std::string snapshotter = chosen_snapshotter(context, flags.snapshotter);
    static_cast<void>(context.existing_store());
    require_mounting();
    if (flags.remove)
        context.collect_at_end();
    for_each_item(flags.targets, [&](const std::string& target) {
        transfer::unmount_image(flags.remove ? context.store() : context.existing_store(), context.name_space,
                                snapshotter, key_to_unmount(context, flags, snapshotter, target), flags.remove,
                                context.stop());
        context.print(target + "\n");
    });
}

} // namespace

void add_mounting(const Command& group, Context& context) {
    const Command mount_command = group.add_command("mount", "mount an image of the store at a directory");
    auto flags = std::make_shared<MountFlags>();
    mount_command.add_option("ref", flags->name, "the image").required();
    mount_command.add_option("target", flags->target,
                             "the directory; without one it is told where the image's only directory is");
    mount_command.add_flag("--rw", flags->writable, "to write to, instead of read-only");
    mount_command.add_option("--snapshotter", flags->snapshotter, "unpacked with this snapshotter")
        .envname("CONTAINERD_SNAPSHOTTER");
    mount_command.add_option("-x,--expiration", flags->expiration, "how long a lease holds the snapshot; 0: for ever")
        .type_name("TIME")
        .capture_default_str();
    mount_command.add_list("--label", flags->labels, "a label of the snapshot, key=value; may be repeated")
        .type_name("KEY=VALUE");
    mount_command.add_flag("--sync-fs", flags->ignored, "accepted for ctr: what is unpacked is always on disk");
    flags->unpack.add(mount_command, context);
    add_json(mount_command, context);
    mount_command.when_chosen([&context, flags] {
        // In a user namespace of the command's own nobody would see what it mounts.
        context.needs_trees = flags->target.empty();
        context.command = [&context, flags] { mount(context, *flags); };
    });

    const Command unmount_command = group.add_command("unmount", "unmount images");
    needs_rows_only(unmount_command, context);
    auto unmount_flags = std::make_shared<UnmountFlags>();
    unmount_command.add_option("target", unmount_flags->targets, "the directories").required();
    unmount_command.add_flag("--rm", unmount_flags->remove, "remove the snapshot and its lease, too");
    unmount_command.add_option("--snapshotter", unmount_flags->snapshotter, "of this snapshotter")
        .envname("CONTAINERD_SNAPSHOTTER");
    unmount_command.runs(context, [&context, unmount_flags] { unmount(context, *unmount_flags); });
}

} // namespace lade::cli
