// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace lade::cli {

namespace {

const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
    for (; app != nullptr; app = app->get_parent())
        if (const CLI::Option* option = app->get_option_no_throw(name))
            return option;
    return nullptr;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        if (command->check_name(name))
            return command;
    return nullptr;
}

// Whether the argument behind this flag is its value.
bool takes_next(const CLI::App* app, const std::string& flag) {
    const bool is_long = flag.starts_with("--");
    const std::size_t end = is_long ? flag.find('=') : 2;
    const CLI::Option* option = find_option(app, flag.substr(0, end));
    return option != nullptr && option->get_items_expected_max() > 0 &&
           (is_long ? end == std::string::npos : flag.size() == 2);
}

// Which of its words begins somebody else's command; 0: none does.
std::size_t words_before_command(const CLI::App& command) {
    if (command.get_name() == "create" && command.get_parent()->get_name() == "containers")
        return 3;
    return command.get_name() == "unshare" ? 1 : 0;
}

} // namespace

std::vector<std::string> separate_foreign_command(const Command& app, std::vector<std::string> arguments) {
    const CLI::App* command = &app.app();
    std::size_t words = 0;
    for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
        if (arguments[i].size() > 1 && arguments[i].front() == '-') {
            i += takes_next(command, arguments[i]) ? 1 : 0;
        } else if (const CLI::App* below = words == 0 ? find_command(*command, arguments[i]) : nullptr) {
            command = below;
        } else if (++words == words_before_command(*command)) {
            arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(i), "--");
            break;
        }
    }
    return arguments;
}

} // namespace lade::cli
