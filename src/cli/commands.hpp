// SPDX-License-Identifier: Apache-2.0
// The command tree: the whole of what exists is said in app.cpp.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "cli/context.hpp"

namespace lade::cli {

// The commands of each group.
void add_images(CLI::App& group, Context& context);
void add_content(CLI::App& group, Context& context);
void add_snapshots(CLI::App& group, Context& context);
void add_containers(CLI::App& group, Context& context);
void add_leases(CLI::App& group, Context& context);
void add_namespaces(CLI::App& group, Context& context);
void add_store(CLI::App& group, Context& context);
void add_plugins(CLI::App& group, Context& context);
void add_registry(CLI::App& group, Context& context);

// Commands of no group.
void add_events(CLI::App& app, Context& context);
void add_gc(CLI::App& app, Context& context);
void add_unshare(CLI::App& app, Context& context);
void add_completion(CLI::App& app, Context& context);

// Commands of the group `content`.
void add_content_why(CLI::App& group, Context& context);
// The verbs ingest, edit and abort of the group `content`.
void add_ingest(CLI::App& group, Context& context);

// Commands of the group `registry`.
void add_registry_logins(CLI::App& group, Context& context);
void add_registry_hosts(CLI::App& group, Context& context);

// Puts "--" before the command that a container or `unshare` is to run, whose flags are its own.
std::vector<std::string> separate_foreign_command(const CLI::App& app, std::vector<std::string> arguments);

// A group of commands; without a subcommand it prints its help.
CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& about,
                    const std::vector<std::string>& aliases = {});
// A command of a group. Flags of the program may stand anywhere, hence the fall-through.
CLI::App& add_command(CLI::App& group, const std::string& name, const std::string& about,
                      const std::vector<std::string>& aliases = {});

// A repeatable option that takes one value each time, so that it never eats the arguments behind it.
CLI::Option* add_list(CLI::App& command, const std::string& flags, std::vector<std::string>& into,
                      const std::string& about);

// Says that the command has nothing to do with layers' files, so that an ordinary user needs no privilege for it.
void needs_rows_only(CLI::App& command, Context& context);
void add_json(CLI::App& command, Context& context);
void add_quiet(CLI::App& command, Context& context, const std::string& about);
// The filters of a listing, ctr's positional arguments.
void add_filters(CLI::App& command, std::vector<std::string>& into);

} // namespace lade::cli
