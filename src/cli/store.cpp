// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>

#include "cli/commands.hpp"
#include "cli/table.hpp"
#include "store/settings.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string name;
    std::optional<std::string> value;
};

std::string value_of(Context& context, const store::Setting& setting) {
    store::Store* store = context.find_store();
    return store == nullptr ? std::string(setting.values.front()) : store::setting_value(*store, setting);
}

void config(Context& context, const Flags& flags) {
    std::vector<store::Setting> wanted = store::settings();
    if (!flags.name.empty())
        wanted = {store::get_setting(flags.name)};
    if (flags.value)
        store::set_setting(context.store(), wanted.front(), *flags.value);
    Json object = Json::object();
    Table table({"SETTING", "VALUE"});
    for (const store::Setting& setting : wanted) {
        object[std::string(setting.name)] = value_of(context, setting);
        table.add({std::string(setting.name), value_of(context, setting)});
    }
    if (context.json)
        context.print_json(object);
    else if (flags.name.empty())
        context.print(table.text());
    else if (!flags.value)
        context.print(value_of(context, wanted.front()) + "\n");
}

} // namespace

void add_store(const Command& group, Context& context) {
    const Command command = group.add_command("config", "print settings, or set one");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("setting", flags->name, "content-sharing or overlay-mount-options: print this one only");
    command.add_option("value", flags->value, "its new value: shared or isolated; a comma list of mount options");
    add_json(command, context);
    command.runs(context, [&context, flags] { config(context, *flags); });
}

} // namespace lade::cli
