// SPDX-License-Identifier: Apache-2.0
#include "cli/app.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/privilege.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"

namespace lade::cli {

namespace {

constexpr std::size_t help_width = 80;
constexpr std::size_t help_column = 30;

// CLI11 breaks no lines; help has to fit a terminal of 80 columns.
class NarrowFormatter final : public CLI::Formatter {
public:
    NarrowFormatter() { column_width(help_column); }

    std::string make_option(const CLI::Option* option, bool is_positional) const override {
        return entry(make_option_name(option, is_positional) + make_option_opts(option), make_option_desc(option));
    }
    std::string make_subcommand(const CLI::App* command) const override {
        std::string name = command->get_name();
        for (const std::string& alias : command->get_aliases())
            name += ", " + alias;
        return entry(name, command->get_description());
    }

private:
    static std::string entry(const std::string& name, const std::string& about) {
        std::string out = "  " + name;
        std::size_t column = out.size();
        if (column >= help_column) {
            out += '\n';
            column = 0;
        }
        out.append(help_column - column, ' ');
        column = help_column;
        for (const std::string& word : split(about, ' ')) {
            if (column > help_column && column + 1 + word.size() > help_width) {
                out += '\n' + std::string(help_column, ' ');
                column = help_column;
            }
            out += (column > help_column ? " " : "") + word;
            column += word.size() + (column > help_column ? 1 : 0);
        }
        return out + '\n';
    }
};

void add_version(const Command& app, Context& context) {
    const Command command = app.add_command("version", "print the version");
    needs_rows_only(command, context);
    add_json(command, context);
    command.runs(context, [&context] {
        if (context.json)
            context.print_json({{"version", LADE_VERSION}});
        else
            context.print("lade " LADE_VERSION "\n");
    });
}

void add_global_flags(const Command& app, Context& context) {
    app.add_option("--root", context.root, "the store's directory").envname("LADE_ROOT").type_name("DIR");
    app.add_option("-n,--namespace", context.name_space, "the namespace to work in")
        .envname("CONTAINERD_NAMESPACE")
        .type_name("NAME")
        .capture_default_str();
    app.add_option("--sync", context.sync, "what is durable at the end: none, content or full")
        .one_of({"none", "content", "full"})
        .type_name("WHAT")
        .capture_default_str();
    app.add_option("--lease", context.lease, "a lease that is to hold what the command makes, too").type_name("ID");
    app.add_option("--wait", context.wait, "how long to wait for another process at work on the same")
        .type_name("TIME")
        .capture_default_str();
    app.add_flag("--no-gc", context.no_gc, "leave to a later command what nothing keeps any more");
}

struct Group {
    std::string name;
    std::string about;
    std::vector<std::string> aliases;
    void (*add_commands)(const Command& group, Context& context);
};

// Of a group that no argument names, the name alone is made: all commands of all groups would be a quarter of the
// time that a short one takes.
void add_groups(const Command& app, Context& context, const std::vector<std::string>& arguments) {
    const std::vector<Group> groups = {
        {.name = "images",
         .about = "pull, push, unpack, mount, commit, name, check and remove images",
         .aliases = {"image", "i"},
         .add_commands = add_images},
        {.name = "content",
         .about = "look at, fetch, push, change and remove blobs",
         .aliases = {},
         .add_commands = add_content},
        {.name = "snapshots",
         .about = "make, mount, look at and remove snapshots",
         .aliases = {"snapshot"},
         .add_commands = add_snapshots},
        {.name = "containers",
         .about = "keep records of what is to run",
         .aliases = {"container", "c"},
         .add_commands = add_containers},
        {.name = "leases",
         .about = "keep things from garbage collection for a while",
         .aliases = {"lease"},
         .add_commands = add_leases},
        {.name = "namespaces",
         .about = "keep images of several users apart",
         .aliases = {"namespace", "ns"},
         .add_commands = add_namespaces},
        {.name = "registry",
         .about = "see which hosts are asked, log in and out",
         .aliases = {},
         .add_commands = add_registry},
        {.name = "store", .about = "settings of the store itself", .aliases = {}, .add_commands = add_store},
        {.name = "plugins",
         .about = "the parts that lade is made of",
         .aliases = {"plugin"},
         .add_commands = add_plugins},
    };
    const auto is_said = [&](const std::string& word) { return std::ranges::find(arguments, word) != arguments.end(); };
    for (const Group& one : groups) {
        const Command group = app.add_group(one.name, one.about, one.aliases);
        // The completion is about all of them.
        if (is_said(one.name) || std::ranges::any_of(one.aliases, is_said) || is_said("completion"))
            one.add_commands(group, context);
    }
}

// CLI11 names every word from the first it cannot use on, in the order of its stack.
std::string complaint(const CLI::ParseError& error, const CLI::App& app, const CLI::App& chosen) {
    std::string text = error.what();
    const std::vector<std::string> rest = app.remaining(true);
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !rest.empty()) {
        const bool is_group = !chosen.get_subcommands([](const CLI::App*) { return true; }).empty();
        const auto word = std::ranges::find_if(rest, [](const std::string& one) { return one.starts_with('-'); });
        if (word != rest.end())
            text = cat("unknown flag ", *word);
        else
            text = is_group ? cat("unknown command ", rest.front()) : cat("unexpected argument ", rest.front());
    }
    std::ranges::replace(text, '\n', ' ');
    return printable(trim(text));
}

// The chosen command and the words that lead to it.
struct Chosen {
    const CLI::App* command;
    std::string path; // of the groups above, "" for the program itself

    std::string help() const { return command->help(path); }
    std::string name() const { return path.empty() ? command->get_name() : path + " " + command->get_name(); }
};

Chosen chosen_in(const CLI::App& app) {
    Chosen chosen{.command = &app, .path = ""};
    for (auto below = app.get_subcommands(); !below.empty(); below = chosen.command->get_subcommands())
        chosen = {.command = below.front(), .path = chosen.name()};
    return chosen;
}

} // namespace

void needs_rows_only(const Command& command, Context& context) {
    command.before_options([&context] { context.needs_trees = false; });
}

void add_json(const Command& command, Context& context) {
    command.add_flag("--json", context.json, "print one JSON document");
}

void add_quiet(const Command& command, Context& context, const std::string& about) {
    command.add_flag("-q,--quiet", context.quiet, about);
}

void add_filters(const Command& command, std::vector<std::string>& into) {
    command.add_option("filter", into, "list what matches one of these, e.g. labels.k==v");
}

int run(int argc, char** argv, SignalWatcher& signals) {
    Context context(signals.stop_token());
    CLI::App parser("pull, store, unpack, keep and collect container images", "lade");
    parser.formatter(std::make_shared<NarrowFormatter>());
    parser.set_version_flag("-v,--version", "lade " LADE_VERSION, "print the version");
    parser.require_subcommand(0, 1);
    const Command app(parser);
    add_global_flags(app, context);
    add_groups(app, context, {argv + 1, argv + argc});
    add_events(app, context);
    add_gc(app, context);
    add_unshare(app, context);
    add_completion(app, context);
    add_version(app, context);

    try {
        auto arguments = separate_foreign_command(app, {argv + 1, argv + argc});
        // CLI11 takes them from the back.
        std::ranges::reverse(arguments);
        parser.parse(std::move(arguments));
    } catch (const CLI::Success&) {
        // Help or version was asked for, at whatever level.
        context.print(parser.count("--version") > 0 ? "lade " LADE_VERSION "\n" : chosen_in(parser).help());
        return 0;
    } catch (const CLI::ParseError& error) {
        const Chosen chosen = chosen_in(parser);
        throw Error(ErrorKind::invalid_argument, complaint(error, parser, *chosen.command), " (see ", chosen.name(),
                    " --help)");
    }
    if (!context.command) {
        context.print(chosen_in(parser).help());
        return 0;
    }
    if (context.needs_trees && privilege() == Privilege::none)
        context.outside = std::make_unique<Outside>();
    if (context.needs_trees)
        context.less_privileged = enter_user_namespace();
    signals.watch();
    try {
        context.command();
    } catch (const Error& error) {
        // Of several things, some may have been deleted before one failed.
        if (error.kind() != ErrorKind::cancelled)
            attempt([&] { context.finish(); });
        throw;
    }
    context.finish();
    return 0;
}

} // namespace lade::cli
