// SPDX-License-Identifier: Apache-2.0
#include "transfer/plugins.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/table.hpp"

namespace lade::cli {

namespace {

using transfer::Plugin;

struct Flags {
    std::vector<std::string> filters;
    bool detailed = false;
};

std::string platform_of(const Plugin& plugin) {
    return plugin.platform ? oci::to_string(*plugin.platform) : "";
}

Json to_json(const Plugin& plugin) {
    Json platforms = Json::array();
    if (plugin.platform)
        platforms.push_back(platform_of(plugin));
    return {{"type", plugin.type},
            {"id", plugin.id},
            {"requires", plugin.requires_types},
            {"platforms", platforms},
            {"capabilities", plugin.capabilities},
            {"root", plugin.exports_root},
            {"status", transfer::to_string(plugin.status)},
            {"reason", plugin.reason}};
}

std::string details_of(const Plugin& plugin) {
    std::string text;
    const auto tell = [&](std::string_view name, const std::string& value) {
        if (!value.empty())
            text += cat(name, std::string(14 - name.size(), ' '), printable(value), '\n');
    };
    tell("Type:", plugin.type);
    tell("ID:", plugin.id);
    tell("Requires:", join(plugin.requires_types, ", "));
    tell("Platforms:", platform_of(plugin));
    tell("Exports root:", plugin.exports_root);
    tell("Capabilities:", join(plugin.capabilities, ", "));
    tell("Status:", std::string(transfer::to_string(plugin.status)));
    tell("Reason:", plugin.reason);
    return text + "\n";
}

void list(Context& context, const Flags& flags) {
    const Filter filter = parse_filter(flags.filters);
    std::vector<Plugin> all = transfer::list_plugins(context.place(), [&] { context.find_store(); });
    std::erase_if(all, [&](const Plugin& plugin) { return !filter.matches(fields(plugin)); });
    if (context.json) {
        Json array = Json::array();
        for (const Plugin& plugin : all)
            array.push_back(to_json(plugin));
        context.print_json(array);
        return;
    }
    std::string text;
    Table table({"TYPE", "ID", "PLATFORMS", "STATUS"});
    for (const Plugin& plugin : all) {
        if (context.quiet)
            text += plugin.id + "\n";
        else if (flags.detailed)
            text += details_of(plugin);
        else
            table.add({plugin.type, plugin.id, plugin.platform ? platform_of(plugin) : "-",
                       std::string(transfer::to_string(plugin.status))});
    }
    context.print(context.quiet || flags.detailed ? text : table.text());
}

} // namespace

void add_plugins(const Command& group, Context& context) {
    auto flags = std::make_shared<Flags>();

    const Command ls = group.add_command("ls", "list them and say what works here", {"list"});
    add_filters(ls, flags->filters);
    add_quiet(ls, context, "print ids only");
    ls.add_flag("-d,--detailed", flags->detailed, "what each needs, and why it does not work");
    add_json(ls, context);
    ls.runs(context, [&context, flags] { list(context, *flags); });
}

} // namespace lade::cli
