// SPDX-License-Identifier: Apache-2.0
#include "store/leases.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/content.hpp"
#include "cli/table.hpp"
#include "oci/reference.hpp"
#include "store/fields.hpp"
#include "store/namespaces.hpp"
#include "store/snapshots.hpp"
#include "transfer/find_image.hpp"

namespace lade::cli {

namespace {

struct CreateFlags {
    std::string id;
    std::string expires = "24h";
    std::vector<std::string> labels;
};

struct ResourceFlags {
    std::string lease;
    std::string type;
    std::vector<std::string> keys;
};

Json describe(store::Store& store, const store::Lease& lease) {
    const auto expire = lease.labels.find(std::string(oci::label::gc_expire));
    const bool expires = !lease.owner_lock && expire != lease.labels.end();
    const bool live = lives(store, lease, now());
    Json owner;
    if (lease.owner_lock)
        owner = {{"alive", live}, {"pid", nullptr}};
    if (const auto pid = owner_of(store, lease))
        owner["pid"] = *pid;
    return {{"id", lease.id},
            {"created", rfc3339(lease.created)},
            {"expires", expires ? Json(expire->second) : Json()},
            {"live", live},
            {"owner", owner},
            {"labels", labels_json(lease.labels)}};
}

void list(Context& context, const std::vector<std::string>& filters) {
    const Filter filter = parse_filter(filters);
    store::Store* store = context.find_store();
    std::vector<store::Lease> all;
    if (store != nullptr)
        all = store::Leases(*store, context.name_space).list();
    std::erase_if(all, [&](const store::Lease& lease) { return !filter.matches(store::fields(lease)); });
    if (context.json) {
        Json array = Json::array();
        for (const store::Lease& lease : all)
            array.push_back(describe(*store, lease));
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        for (const store::Lease& lease : all)
            context.print(printable(lease.id) + "\n");
        return;
    }
    Table table({"ID", "CREATED AT", "LABELS"});
    for (const store::Lease& lease : all)
        table.add({lease.id, rfc3339(lease.created), format_labels(lease.labels)});
    context.print(table.text());
}

void resources(Context& context, const std::string& id) {
    Json array = Json::array();
    Table table({"TYPE", "KEY"});
    for (const store::LeaseResource& one : store::Leases(context.existing_store(), context.name_space).resources(id)) {
        array.push_back({{"type", one.type}, {"key", one.key}});
        table.add({one.type, one.key});
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(table.text());
}

void create(Context& context, const CreateFlags& flags) {
    const auto expires = parse_duration(flags.expires);
    if (!expires)
        throw Error(ErrorKind::invalid_argument, "--expires ", printable(flags.expires),
                    ": not a duration such as 24h or 90m");
    store::Lease lease{.id = flags.id.empty() ? store::generate_lease_id() : flags.id,
                       .owner_lock = std::nullopt,
                       .labels = parse_labels(flags.labels),
                       .created = {}};
    if (expires->count() > 0)
        lease.labels.insert_or_assign(std::string(oci::label::gc_expire), rfc3339(now() + *expires));
    store::Leases(context.store(), context.name_space).create(lease);
    if (!context.json) {
        context.print(printable(lease.id) + "\n");
        return;
    }
    const auto end = lease.labels.find(std::string(oci::label::gc_expire));
    context.print_json({{"id", lease.id}, {"expires", end == lease.labels.end() ? Json() : Json(end->second)}});
}

void add_list(const Command& group, Context& context) {
    const Command command = group.add_command("ls", "list leases", {"list"});
    needs_rows_only(command, context);
    auto filters = std::make_shared<std::vector<std::string>>();
    add_filters(command, *filters);
    add_quiet(command, context, "print ids only");
    add_json(command, context);
    command.runs(context, [&context, filters] { list(context, *filters); });
}

void add_create(const Command& group, Context& context) {
    const Command command = group.add_command("create", "make a lease and print its id");
    needs_rows_only(command, context);
    auto flags = std::make_shared<CreateFlags>();
    command.add_option("--id", flags->id, "its id; made up unless given");
    command.add_option("-x,--expires", flags->expires, "how long it lasts; 0 for ever").capture_default_str();
    command.add_option("label", flags->labels, "labels, key=value");
    add_json(command, context);
    command.runs(context, [&context, flags] { create(context, *flags); });
}

void add_remove(const Command& group, Context& context) {
    const Command command =
        group.add_command("rm", "remove leases, and what only they kept", {"remove", "del", "delete"});
    struct Flags {
        std::vector<std::string> ids;
        bool sync = false;
    };
    auto flags = std::make_shared<Flags>();
    command.add_option("id", flags->ids, "the leases");
    command.add_flag("--sync", flags->sync, "accepted for ctr; removal always waits");
    command.runs(context, [&context, flags] {
        store::Leases leases(context.store(), context.name_space);
        context.collect_at_end();
        for_each_item(flags->ids, [&](const std::string& id) {
            if (!leases.remove(id))
                throw Error(ErrorKind::not_found, "lease ", printable(id), " not found");
            context.print(printable(id) + "\n");
        });
    });
}

// What people call it is not always what it is called: images by reference or ID, content by the start of its digest.
std::string key_of(Context& context, const std::string& type, const std::string& text) {
    constexpr std::string_view snapshots = "snapshots/";
    if (type == "content")
        return resolve_digest(context, text).string();
    if (type.starts_with(snapshots))
        snapshot::validate_name(std::string_view(type).substr(snapshots.size()));
    if (type != "images")
        return text;
    if (const auto image = transfer::find_image(context.existing_store(), context.name_space, text))
        return image->name;
    const auto reference = oci::Reference::try_parse(text);
    std::string name = reference ? reference->string() : text;
    complain(cat("warning: there is no image ", printable(name), " yet"));
    return name;
}

using Change = void (store::Leases::*)(const std::string&, const store::LeaseResource&);

// Both commands that change what a lease holds: `each` is done to every key.
Command add_change(const Command& group, Context& context, const std::string& name, const std::string& about,
                   Change each) {
    const Command command = group.add_command(name, about);
    auto flags = std::make_shared<ResourceFlags>();
    command.add_option("lease", flags->lease, "the lease").required();
    command.add_option("type", flags->type, "content, images, ingests or snapshots/<snapshotter>").required();
    command.add_option("key", flags->keys, "digests, names, refs or keys").required();
    command.runs(context, [&context, flags, each] {
        static_cast<void>(store::Leases(context.existing_store(), context.name_space).get(flags->lease));
        store::Leases leases(context.store(), context.name_space);
        const bool adds = each == &store::Leases::add;
        if (!adds)
            context.collect_at_end();
        for_each_item(flags->keys, [&](const std::string& key) {
            (leases.*each)(flags->lease, {.type = flags->type, .key = adds ? key_of(context, flags->type, key) : key});
        });
    });
    return command;
}

void add_resources(const Command& group, Context& context) {
    const Command command = group.add_command("resources", "list what a lease holds");
    needs_rows_only(command, context);
    auto id = std::make_shared<std::string>();
    command.add_option("lease", *id, "the lease").required();
    add_json(command, context);
    command.runs(context, [&context, id] { resources(context, *id); });
}

} // namespace

void add_leases(const Command& group, Context& context) {
    add_list(group, context);
    add_create(group, context);
    add_remove(group, context);
    add_change(group, context, "add", "let a lease hold something, made already or not", &store::Leases::add);
    add_change(group, context, "drop", "let a lease hold something no longer", &store::Leases::drop);
    add_resources(group, context);
}

} // namespace lade::cli
