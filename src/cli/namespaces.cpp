// SPDX-License-Identifier: Apache-2.0
#include "store/namespaces.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "store/fields.hpp"

namespace lade::cli {

namespace {

void list(Context& context, const std::vector<std::string>& filters) {
    const Filter filter = parse_filter(filters);
    std::vector<store::Namespace> all;
    if (store::Store* store = context.find_store())
        all = store::Namespaces(*store).list();
    std::erase_if(all, [&](const store::Namespace& one) { return !filter.matches(store::fields(one)); });
    if (context.json) {
        Json array = Json::array();
        for (const store::Namespace& one : all)
            array.push_back({{"name", one.name}, {"labels", labels_json(one.labels)}});
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        for (const store::Namespace& one : all)
            context.print(one.name + "\n");
        return;
    }
    Table table({"NAME", "LABELS"});
    for (const store::Namespace& one : all)
        table.add({one.name, one.labels.empty() ? "" : format_labels(one.labels)});
    context.print(table.text());
}

// What nothing keeps any more does not keep a namespace either, so it is collected before anybody is told to do so.
void remove(Context& context, const std::string& name) {
    store::Namespaces namespaces(context.store());
    try {
        namespaces.remove(name);
        return;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::failed_precondition || context.no_gc)
            throw;
    }
    context.collect_at_end();
    context.finish();
    namespaces.remove(name);
}

struct Flags {
    std::string name;
    std::vector<std::string> names;
    std::vector<std::string> filters;
    std::vector<std::string> labels;
    bool cgroup = false;
};

} // namespace

void add_namespaces(const Command& group, Context& context) {
    auto flags = std::make_shared<Flags>();

    const Command ls = group.add_command("ls", "list namespaces", {"list"});
    needs_rows_only(ls, context);
    add_quiet(ls, context, "print names only");
    add_json(ls, context);
    add_filters(ls, flags->filters);
    ls.runs(context, [&context, flags] { list(context, flags->filters); });

    const Command create = group.add_command("create", "make a namespace", {"c"});
    needs_rows_only(create, context);
    create.add_option("name", flags->name, "its name").required();
    create.add_option("label", flags->labels, "labels, key=value");
    create.runs(context, [&context, flags] {
        store::Namespaces(context.store()).create(flags->name, parse_labels(flags->labels));
    });

    const Command label = group.add_command("label", "set labels; key= removes one");
    needs_rows_only(label, context);
    label.add_option("name", flags->name, "the namespace; made when there is none").required();
    label.add_option("label", flags->labels, "labels, key=value");
    label.runs(context, [&context, flags] {
        store::Namespaces(context.store()).label(flags->name, parse_labels(flags->labels));
    });

    const Command rm = group.add_command("rm", "remove empty namespaces", {"remove"});
    rm.add_option("name", flags->names, "the namespaces").required();
    rm.add_flag("-c,--cgroup", flags->cgroup, "accepted for ctr").group("");
    rm.runs(context, [&context, flags] {
        for_each_item(flags->names, [&](const std::string& name) {
            // As ctr has it: one that is gone already is gone.
            remove(context, name);
            context.print(printable(name) + "\n");
        });
    });
}

} // namespace lade::cli
