// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/snapshots.hpp"
#include "cli/table.hpp"
#include "store/fields.hpp"

namespace lade::cli {

namespace {

struct Flags {
    SnapshotterFlag snapshotter;
    std::string key;
    std::vector<std::string> keys;
    std::vector<std::string> filters;
    std::vector<std::string> labels;
    bool bytes = false;
};

std::vector<store::Snapshot> list_all(Context& context, const std::string& snapshotter) {
    store::Store* store = context.find_store();
    if (store == nullptr)
        return {};
    return store::Snapshots(*store, context.name_space, snapshotter).list();
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

void list(Context& context, const Flags& flags) {
    const Filter filter = parse_filter(flags.filters);
    const std::string snapshotter = chosen_snapshotter(context, *flags.snapshotter);
    std::vector<store::Snapshot> all = list_all(context, snapshotter);
    std::erase_if(all, [&](const store::Snapshot& snapshot) { return !filter.matches(store::fields(snapshot)); });
    if (context.json) {
        Json array = Json::array();
        for (const store::Snapshot& snapshot : all)
            array.push_back(describe(snapshot, snapshotter));
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
    store::Snapshots snapshots = existing_snapshots(context, flags.snapshotter);
    const store::Snapshot snapshot = snapshots.get(snapshots.complete(flags.key));
    if (context.json) {
        Json document = describe(snapshot, std::string(snapshots.kind().name()));
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
    for (const store::Snapshot& snapshot : list_all(context, chosen_snapshotter(context, *flags.snapshotter)))
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
        for (const store::Snapshot& snapshot : list_all(context, chosen_snapshotter(context, *flags.snapshotter)))
            keys.push_back(snapshot.key);
    std::optional<store::Snapshots> snapshots;
    if (!keys.empty())
        snapshots.emplace(existing_snapshots(context, flags.snapshotter));
    Json array = Json::array();
    Table table({"KEY", "SIZE", "INODES"});
    for (const std::string& text : keys) {
        const std::string key = snapshots->complete(text);
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
    store::Snapshots snapshots = existing_snapshots(context, flags.snapshotter);
    const std::string key = snapshots.complete(flags.key);
    if (!changes.empty()) {
        context.store();
        snapshots.update(key, changes, label_paths(changes));
    }
    const oci::Labels labels = snapshots.get(key).labels;
    if (context.json)
        context.print_json({{"key", key}, {"labels", labels_json(labels)}});
    else
        context.print(cat(labels.empty() ? "" : format_labels(labels), '\n'));
}

void remove(Context& context, const Flags& flags) {
    store::Snapshots snapshots = changing_snapshots(context, flags.snapshotter);
    context.collect_at_end();
    for_each_item(flags.keys, [&](const std::string& key) {
        doing([&] { return cat("remove ", printable(key)); },
              [&] { snapshots.remove(snapshots.complete(key), context.lease, context.stop()); });
    });
}

} // namespace

void add_snapshot_listings(const Command& group, Context& context, const SnapshotterFlag& flag) {
    auto flags = std::make_shared<Flags>();
    flags->snapshotter = flag;
    const auto add = [&](const Command& command, void (*work)(Context&, const Flags&)) {
        command.runs(context, [&context, flags, work] { work(context, *flags); });
    };

    const Command ls = group.add_command("ls", "list snapshots", {"list"});
    add_filters(ls, flags->filters);
    add_quiet(ls, context, "print keys only");
    add_json(ls, context);
    add(ls, list);

    const Command tree_command = group.add_command("tree", "show which snapshot lies on which");
    add_json(tree_command, context);
    add(tree_command, tree);

    const Command info_command = group.add_command("info", "show one snapshot");
    info_command.add_option("key", flags->key, "the snapshot").required();
    add_json(info_command, context);
    add(info_command, info);

    const Command usage_command = group.add_command("usage", "bytes and inodes of snapshots");
    usage_command.add_option("key", flags->keys, "the snapshots; all unless given");
    usage_command.add_flag("-b", flags->bytes, "sizes in bytes");
    add_json(usage_command, context);
    add(usage_command, usage);

    const Command label_command = group.add_command("label", "set labels and print all; key= removes one");
    label_command.add_option("key", flags->key, "the snapshot").required();
    label_command.add_option("label", flags->labels, "labels, key=value");
    add_json(label_command, context);
    add(label_command, label);

    const Command rm = group.add_command("rm", "remove snapshots", {"remove", "del", "delete"});
    rm.add_option("key", flags->keys, "the snapshots");
    add(rm, remove);
}

} // namespace lade::cli
