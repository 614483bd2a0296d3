// SPDX-License-Identifier: Apache-2.0
#include "store/leases.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "store/namespaces.hpp"

namespace lade::cli {

namespace {

struct CreateFlags {
    std::string id;
    std::string expires = "24h";
    std::vector<std::string> labels;
};

void list(Context& context) {
    std::vector<store::Lease> all;
    if (store::Store* store = context.find_store())
        all = store::Leases(*store, context.name_space).list();
    if (context.json) {
        Json array = Json::array();
        for (const store::Lease& lease : all)
            array.push_back(
                {{"id", lease.id}, {"created", rfc3339(lease.created)}, {"labels", labels_json(lease.labels)}});
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
    context.print(lease.id + "\n");
}

} // namespace

void add_leases(CLI::App& app, Context& context) {
    CLI::App& group = add_group(app, "leases", "keep things from garbage collection for a while", {"lease"});

    CLI::App& ls = add_command(group, "ls", "list leases", {"list"});
    add_quiet(ls, context, "print ids only");
    add_json(ls, context);
    ls.callback([&context] { context.command = [&context] { list(context); }; });

    CLI::App& create_command = add_command(group, "create", "make a lease and print its id");
    auto flags = std::make_shared<CreateFlags>();
    create_command.add_option("--id", flags->id, "its id; made up unless given");
    create_command.add_option("-x,--expires", flags->expires, "how long it lasts; 0 for ever")->capture_default_str();
    create_command.add_option("label", flags->labels, "labels, key=value");
    create_command.callback([&context, flags] { context.command = [&context, flags] { create(context, *flags); }; });

    CLI::App& rm = add_command(group, "rm", "remove leases, and what only they kept", {"remove", "del", "delete"});
    struct RemoveFlags {
        std::vector<std::string> ids;
        bool sync = false;
    };
    auto remove_flags = std::make_shared<RemoveFlags>();
    rm.add_option("id", remove_flags->ids, "the leases")->required();
    rm.add_flag("--sync", remove_flags->sync, "accepted for ctr; removal always waits");
    rm.callback([&context, remove_flags] {
        context.command = [&context, remove_flags] {
            store::Leases leases(context.store(), context.name_space);
            context.collect_at_end();
            for_each_item(remove_flags->ids, [&](const std::string& id) {
                if (!leases.remove(id))
                    throw Error(ErrorKind::not_found, "lease ", printable(id), " not found");
                context.print(id + "\n");
            });
        };
    });
}

} // namespace lade::cli
