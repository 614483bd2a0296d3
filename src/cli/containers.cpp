// SPDX-License-Identifier: Apache-2.0
#include "store/containers.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/containers.hpp"
#include "cli/table.hpp"
#include "store/fields.hpp"
#include "store/keep.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string id;
    std::vector<std::string> ids;
    std::vector<std::string> filters;
    std::vector<std::string> labels;
    bool spec = false;
    bool keep_snapshot = false;
};

Json extensions_json(const store::Container& container) {
    Json object = Json::object();
    for (const auto& [name, value] : container.extensions)
        object[name] = value;
    return object;
}

Json spec_json(const store::Container& container) {
    return parse_json(container.spec, cat("spec of container ", container.id));
}

void list(Context& context, const Flags& flags) {
    const Filter filter = parse_filter(flags.filters);
    std::vector<store::Container> all;
    if (store::Store* store = context.find_store())
        all = store::Containers(*store, context.name_space).list();
    std::erase_if(all, [&](const store::Container& one) { return !filter.matches(store::fields(one)); });
    if (context.json) {
        Json array = Json::array();
        for (const store::Container& container : all) {
            array.push_back(to_json(container));
            array.back().erase("spec");
        }
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        for (const store::Container& container : all)
            context.print(container.id + "\n");
        return;
    }
    Table table({"CONTAINER", "IMAGE", "RUNTIME"});
    for (const store::Container& container : all)
        table.add({container.id, container.image.empty() ? "-" : container.image, container.runtime_name});
    context.print(table.text());
}

// ctr's own form without --json: scripts read it.
void info(Context& context, const Flags& flags) {
    const store::Container container = store::Containers(context.existing_store(), context.name_space).get(flags.id);
    if (flags.spec || context.json) {
        context.print_json(flags.spec ? spec_json(container) : to_json(container));
        return;
    }
    const Json document{
        {"ID", container.id},
        {"Labels", labels_json(container.labels)},
        {"Image", container.image},
        {"Runtime", {{"Name", container.runtime_name}, {"Options", Json()}}},
        {"Spec", spec_json(container)},
        {"SnapshotKey", container.snapshot_key},
        {"Snapshotter", container.snapshotter},
        {"CreatedAt", rfc3339(container.created)},
        {"UpdatedAt", rfc3339(container.updated)},
        {"Extensions", extensions_json(container)},
        {"SandboxID", container.sandbox},
    };
    context.print(dump_json(document, 4) + "\n");
}

void label(Context& context, const Flags& flags) {
    const oci::Labels changes = parse_labels(flags.labels);
    store::Containers containers(context.existing_store(), context.name_space);
    store::Container container = containers.get(flags.id);
    if (!changes.empty()) {
        context.store();
        container.labels = changes;
        container = containers.update(container, label_paths(changes));
    }
    if (context.json)
        context.print_json({{"id", container.id}, {"labels", labels_json(container.labels)}});
    else
        context.print(cat(container.labels.empty() ? "" : format_labels(container.labels), '\n'));
}

// Kept is not garbage at once: a lease takes over while the container still holds the snapshot.
void keep_snapshot(Context& context, const store::Container& container) {
    const store::Kept kept =
        store::keep_for_a_day(context.store(), context.name_space,
                              {.type = cat("snapshots/", container.snapshotter), .key = container.snapshot_key});
    complain(cat("snapshot ", printable(container.snapshot_key), " is held for 24 hours, by lease ", kept.lease));
}

void remove(Context& context, const Flags& flags) {
    store::Containers containers(context.store(), context.name_space);
    context.collect_at_end();
    for_each_item(flags.ids, [&](const std::string& id) {
        doing([&] { return cat("remove ", printable(id)); },
              [&] {
                  if (const store::Container container = containers.get(id);
                      flags.keep_snapshot && !container.snapshot_key.empty())
                      keep_snapshot(context, container);
                  containers.remove(id, flags.keep_snapshot, context.lease, context.stop());
              });
    });
}

} // namespace

Json to_json(const store::Container& container) {
    return {{"id", container.id},
            {"image", container.image},
            {"labels", labels_json(container.labels)},
            {"runtime", {{"name", container.runtime_name}}},
            {"snapshotter", container.snapshotter},
            {"snapshot_key", container.snapshot_key},
            {"sandbox", container.sandbox},
            {"extensions", extensions_json(container)},
            {"spec", spec_json(container)},
            {"created", rfc3339(container.created)},
            {"updated", rfc3339(container.updated)}};
}

void add_containers(const Command& group, Context& context) {
    auto flags = std::make_shared<Flags>();
    const auto add = [&](const Command& command, void (*work)(Context&, const Flags&)) {
        command.runs(context, [&context, flags, work] { work(context, *flags); });
    };

    const Command ls = group.add_command("ls", "list containers", {"list"});
    needs_rows_only(ls, context);
    add_filters(ls, flags->filters);
    add_quiet(ls, context, "print ids only");
    add_json(ls, context);
    add(ls, list);

    add_container_create(group, context);

    const Command info_command = group.add_command("info", "show one container");
    needs_rows_only(info_command, context);
    info_command.add_option("id", flags->id, "the container").required();
    info_command.add_flag("--spec", flags->spec, "only its runtime spec");
    add_json(info_command, context);
    add(info_command, info);

    const Command label_command = group.add_command("label", "set labels and print all; key= removes one");
    needs_rows_only(label_command, context);
    label_command.add_option("id", flags->id, "the container").required();
    label_command.add_option("label", flags->labels, "labels, key=value");
    add_json(label_command, context);
    add(label_command, label);

    const Command rm = group.add_command("rm", "remove containers and their snapshots", {"remove", "del", "delete"});
    rm.add_option("id", flags->ids, "the containers").required();
    rm.add_flag("--keep-snapshot", flags->keep_snapshot, "leave the snapshots to whoever keeps them");
    add(rm, remove);
}

} // namespace lade::cli
