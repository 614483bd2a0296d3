// SPDX-License-Identifier: Apache-2.0
#include "store/snapshots.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "store/fields.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string snapshotter;
    std::string key;
    std::string target;
    std::vector<std::string> keys;
    std::vector<std::string> filters;
    std::vector<std::string> labels;
    bool bytes = false;

    std::string name() const { return snapshotter.empty() ? "overlayfs" : snapshotter; }
};

store::Snapshots open(Context& context, const Flags& flags) {
    snapshot::validate_name(flags.name());
    return {context.existing_store(), context.name_space, flags.name()};
}

std::vector<store::Snapshot> list_all(Context& context, const Flags& flags) {
    snapshot::validate_name(flags.name());
    store::Store* store = context.find_store();
    if (store == nullptr)
        return {};
    return store::Snapshots(*store, context.name_space, flags.name()).list();
}

std::string capital(store::SnapshotKind kind) {
    switch (kind) {
    case store::SnapshotKind::active:
        return "Active";
    case store::SnapshotKind::view:
        return "View";
    case store::SnapshotKind::committed:
        return "Committed";
    }
    return "";
}

Json describe(const store::Snapshot& snapshot, const Flags& flags) {
    return {{"key", snapshot.key},
            {"parent", snapshot.parent},
            {"kind", to_string(snapshot.kind)},
            {"snapshotter", flags.name()},
            {"created", rfc3339(snapshot.created)},
            {"updated", rfc3339(snapshot.updated)},
            {"labels", labels_json(snapshot.labels)}};
}

void list(Context& context, const Flags& flags) {
    const Filter filter = parse_filter(flags.filters);
    std::vector<store::Snapshot> all = list_all(context, flags);
    std::erase_if(all, [&](const store::Snapshot& snapshot) { return !filter.matches(store::fields(snapshot)); });
    if (context.json) {
        Json array = Json::array();
        for (const store::Snapshot& snapshot : all)
            array.push_back(describe(snapshot, flags));
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        for (const store::Snapshot& snapshot : all)
            context.print(printable(snapshot.key) + "\n");
        return;
    }
    Table table({"KEY", "PARENT", "KIND"});
    for (const store::Snapshot& snapshot : all)
        table.add({snapshot.key, snapshot.parent, capital(snapshot.kind)});
    context.print(table.text());
}

// ctr's own form without --json: scripts read it.
void info(Context& context, const Flags& flags) {
    store::Snapshots snapshots = open(context, flags);
    const store::Snapshot snapshot = snapshots.get(flags.key);
    if (context.json) {
        Json document = describe(snapshot, flags);
        document["id"] = snapshot.id;
        document["path"] = snapshots.path(snapshot);
        context.print_json(document);
        return;
    }
    Json document{{"Kind", capital(snapshot.kind)},
                  {"Name", snapshot.key},
                  {"Created", rfc3339(snapshot.created)},
                  {"Updated", rfc3339(snapshot.updated)}};
    if (!snapshot.parent.empty())
        document["Parent"] = snapshot.parent;
    if (!snapshot.labels.empty())
        document["Labels"] = labels_json(snapshot.labels);
    context.print(dump_json(document, 4) + "\n");
}

using Children = std::map<std::string, std::vector<std::string>>;

void tree(Context& context, const Flags& flags) {
    Children children;
    for (const store::Snapshot& snapshot : list_all(context, flags))
        children[snapshot.parent].push_back(snapshot.key);
    // A chain can be hundreds of layers long: no recursion.
    struct Node {
        std::string key;
        std::size_t level;
        Json* json;
    };
    Json roots = Json::array();
    std::string text;
    std::vector<Node> pending;
    const auto push = [&](const std::string& parent, std::size_t level, Json& into) {
        for (const std::string& key : children[parent])
            into.push_back({{"key", key}, {"children", Json::array()}});
        for (std::size_t i = children[parent].size(); i-- > 0;)
            pending.push_back({.key = children[parent][i], .level = level, .json = &into[i]["children"]});
    };
    push("", 0, roots);
    while (!pending.empty()) {
        const Node node = pending.back();
        pending.pop_back();
        text += node.level == 0 ? cat(' ', printable(node.key), '\n')
                                : cat(std::string(2 * node.level, ' '), "\\_ ", printable(node.key), '\n');
        push(node.key, node.level + 1, *node.json);
    }
    if (context.json)
        context.print_json(roots);
    else
        context.print(text);
}

void usage(Context& context, const Flags& flags) {
    std::vector<std::string> keys = flags.keys;
    if (keys.empty())
        for (const store::Snapshot& snapshot : list_all(context, flags))
            keys.push_back(snapshot.key);
    std::optional<store::Snapshots> snapshots;
    if (!keys.empty())
        snapshots.emplace(open(context, flags));
    Json array = Json::array();
    Table table({"KEY", "SIZE", "INODES"});
    for (const std::string& key : keys) {
        const DiskUsage used = snapshots->usage(key);
        array.push_back({{"key", key}, {"size", used.size}, {"inodes", used.inodes}});
        table.add({key, flags.bytes ? std::to_string(used.size) : kib_size(used.size), std::to_string(used.inodes)});
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(table.text());
}

void label(Context& context, const Flags& flags) {
    const oci::Labels changes = parse_labels(flags.labels);
    store::Snapshots snapshots = open(context, flags);
    if (!changes.empty()) {
        context.store();
        snapshots.update(flags.key, changes, label_paths(changes));
    }
    const oci::Labels labels = snapshots.get(flags.key).labels;
    if (context.json)
        context.print_json({{"key", flags.key}, {"labels", labels_json(labels)}});
    else
        context.print(cat(labels.empty() ? "" : format_labels(labels), '\n'));
}

void mounts(Context& context, const Flags& flags) {
    Json array = Json::array();
    std::string text;
    for (const snapshot::Mount& mount : open(context, flags).mounts(flags.key)) {
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

void add_snapshots(CLI::App& app, Context& context) {
    CLI::App& group = add_group(app, "snapshots", "look at and remove unpacked layers", {"snapshot"});
    auto flags = std::make_shared<Flags>();
    group.add_option("--snapshotter", flags->snapshotter, "the snapshotter, overlayfs unless given")
        ->envname("CONTAINERD_SNAPSHOTTER");
    const auto add = [&](CLI::App& command, void (*work)(Context&, const Flags&)) {
        add_json(command, context);
        command.callback(
            [&context, flags, work] { context.command = [&context, flags, work] { work(context, *flags); }; });
    };

    CLI::App& ls = add_command(group, "ls", "list snapshots", {"list"});
    add_filters(ls, flags->filters);
    add_quiet(ls, context, "print keys only");
    add(ls, list);
    add(add_command(group, "tree", "show which snapshot lies on which"), tree);

    CLI::App& info_command = add_command(group, "info", "show one snapshot");
    info_command.add_option("key", flags->key, "the snapshot")->required();
    add(info_command, info);

    CLI::App& usage_command = add_command(group, "usage", "bytes and inodes of snapshots");
    usage_command.add_option("key", flags->keys, "the snapshots; all unless given");
    usage_command.add_flag("-b", flags->bytes, "sizes in bytes");
    add(usage_command, usage);

    CLI::App& mounts_command =
        add_command(group, "mounts", "print how to mount an active snapshot or view", {"m", "mount"});
    mounts_command.add_option("target", flags->target, "where it is to be mounted")->required();
    mounts_command.add_option("key", flags->key, "the snapshot")->required();
    add(mounts_command, mounts);

    add_snapshots_why(group, context, [flags] { return flags->name(); });
    add_snapshots_diff(group, context, [flags] { return flags->name(); });

    CLI::App& label_command = add_command(group, "label", "set labels and print all; key= removes one");
    label_command.add_option("key", flags->key, "the snapshot")->required();
    label_command.add_option("label", flags->labels, "labels, key=value");
    add(label_command, label);

    CLI::App& rm = add_command(group, "rm", "remove snapshots", {"remove", "del", "delete"});
    rm.add_option("key", flags->keys, "the snapshots");
    rm.callback([&context, flags] {
        context.command = [&context, flags] {
            snapshot::validate_name(flags->name());
            store::Snapshots snapshots(context.store(), context.name_space, flags->name());
            for_each_item(flags->keys, [&](const std::string& key) {
                doing([&] { return cat("remove ", printable(key)); }, [&] { snapshots.remove(key, context.lease); });
            });
        };
    });
}

} // namespace lade::cli
