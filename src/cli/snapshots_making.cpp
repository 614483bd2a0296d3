// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/holder.hpp"
#include "cli/mount_text.hpp"
#include "cli/privilege.hpp"
#include "cli/snapshots.hpp"
#include "store/blobs.hpp"
#include "store/mounts.hpp"
#include "store/namespaces.hpp"
#include "transfer/find_image.hpp"
#include "transfer/image_layers.hpp"

namespace lade::cli {

namespace {

struct CreateFlags {
    SnapshotterFlag snapshotter;
    std::string key;
    std::string parent;
    std::string target;
    std::vector<std::string> labels;
    bool mounts = false;
    bool no_lease = false;
};

struct CommitFlags {
    SnapshotterFlag snapshotter;
    std::string name;
    std::string key;
    std::string parent;
    std::vector<std::string> labels;
};

// Nothing refers to it yet, so it is made a root (containerd-store.md 1.5); a label that is given can take that back.
oci::Labels labels_of_root(const std::vector<std::string>& given) {
    oci::Labels labels{
        {std::string(oci::label::gc_root), rfc3339(std::chrono::floor<std::chrono::seconds>(lade::now()))}};
    oci::merge(labels, parse_labels(given));
    return labels;
}

// The snapshot that people mean. Images are the other thing that they have names of.
std::string complete_parent(Context& context, store::Snapshots& snapshots, const std::string& text) {
    std::string key = snapshots.complete(text);
    if (key.empty() || snapshots.find(key))
        return key;
    const auto image = transfer::find_image(context.store(), context.name_space, text);
    store::Blobs blobs(context.store(), context.name_space);
    const auto chain = image ? transfer::find_chain(blobs, image->target, oci::host_platform()) : std::nullopt;
    if (!chain)
        return key;
    const std::string top = chain->back().string();
    throw Error(ErrorKind::not_found, "snapshot ", printable(text), " not found; image ", printable(image->name),
                snapshots.find(top) ? " is unpacked to " : ", once images unpack has unpacked it, is ", top);
}

void create(Context& context, const CreateFlags& flags, store::SnapshotKind kind) {
    const bool is_view = kind == store::SnapshotKind::view;
    const oci::Labels labels = is_view ? parse_labels(flags.labels) : labels_of_root(flags.labels);
    const std::string snapshotter = chosen_snapshotter(context, *flags.snapshotter);
    require_usable(context, snapshotter);
    store::Snapshots snapshots = changing_snapshots(context, flags.snapshotter);
    std::optional<store::Kept> kept;
    const store::Snapshot made =
        doing([&] { return cat(is_view ? "view " : "prepare ", printable(flags.key)); },
              [&] {
                  store::LeaseHold lease(context.store(), context.name_space, context.lease);
                  // First, so that it is held from its first instant, also when this process is killed right then.
                  kept = keep(context, !is_view || flags.no_lease,
                              {.type = cat("snapshots/", snapshotter), .key = flags.key});
                  try {
                      return snapshots.create(kind, flags.key, complete_parent(context, snapshots, flags.parent),
                                              labels, lease, context.stop());
                  } catch (const Error&) {
                      if (kept)
                          attempt([&] { store::Leases(context.store(), context.name_space).remove(kept->lease); });
                      throw;
                  }
              });
    const std::vector<snapshot::Mount> mounts = snapshots.mounts(made.key);
    if (context.json) {
        Json document = describe(made, snapshotter);
        document.update(holder_json(context, kept));
        document["mounts"] = mounts_json(mounts, flags.target);
        context.print_json(document);
    } else {
        if (!flags.target.empty())
            warn_of_mount_commands(mounts);
        context.print((flags.target.empty() ? "" : mount_commands(mounts, flags.target)) +
                      (flags.mounts ? ctr_mounts(mounts) : ""));
    }
    if (is_view)
        tell_holder(context, "view " + printable(made.key), kept);
}

void commit(Context& context, const CommitFlags& flags) {
    const oci::Labels labels = labels_of_root(flags.labels);
    store::Snapshots snapshots = changing_snapshots(context, flags.snapshotter);
    doing([&] { return cat("commit ", printable(flags.key)); },
          [&] {
              store::LeaseHold lease(context.store(), context.name_space, context.lease);
              snapshots.commit_active(flags.key, flags.name, snapshots.complete(flags.parent), labels, lease,
                                      context.stop());
          });
    const store::Snapshot made = snapshots.get(flags.name);
    if (context.json)
        context.print_json(describe(made, std::string(snapshots.kind().name())));
}

void add_create(const Command& group, Context& context, const SnapshotterFlag& snapshotter, store::SnapshotKind kind) {
    const bool is_view = kind == store::SnapshotKind::view;
    const Command command = is_view ? group.add_command("view", "make a snapshot to read from")
                                    : group.add_command("prepare", "make a snapshot to write to");
    auto flags = std::make_shared<CreateFlags>();
    flags->snapshotter = snapshotter;
    command.add_option("key", flags->key, "its name").required();
    command.add_option("parent", flags->parent, "the committed snapshot below it; none: it is empty");
    command.add_option("-t,--target", flags->target, "print how to mount it there").type_name("DIR");
    command.add_flag("--mounts", flags->mounts, "print its mounts as JSON, in ctr's form");
    command.add_list("--label", flags->labels, "a label, key=value; may be repeated").type_name("KEY=VALUE");
    if (is_view)
        command.add_flag("--no-lease", flags->no_lease, "leave it to the next collection");
    add_json(command, context);
    command.runs(context, [&context, flags, kind] { create(context, *flags, kind); });
}

void add_commit(const Command& group, Context& context, const SnapshotterFlag& snapshotter) {
    const Command command = group.add_command("commit", "make an active snapshot one that others can lie on");
    auto flags = std::make_shared<CommitFlags>();
    flags->snapshotter = snapshotter;
    command.add_option("name", flags->name, "its name from now on").required();
    command.add_option("key", flags->key, "the active snapshot").required();
    command.add_option("--parent", flags->parent, "put one without a parent on this committed snapshot")
        .type_name("NAME");
    command.add_list("--label", flags->labels, "a label, key=value; may be repeated").type_name("KEY=VALUE");
    add_json(command, context);
    command.runs(context, [&context, flags] { commit(context, *flags); });
}

} // namespace

void add_snapshot_making(const Command& group, Context& context, const SnapshotterFlag& flag) {
    add_create(group, context, flag, store::SnapshotKind::active);
    add_create(group, context, flag, store::SnapshotKind::view);
    add_commit(group, context, flag);
}

} // namespace lade::cli
