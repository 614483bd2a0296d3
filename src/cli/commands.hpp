// SPDX-License-Identifier: Apache-2.0
// The command tree: the whole of what exists is said in app.cpp.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/context.hpp"

namespace lade::cli {

// The commands of each group.
void add_images(const Command& group, Context& context);
void add_content(const Command& group, Context& context);
void add_snapshots(const Command& group, Context& context);
void add_containers(const Command& group, Context& context);
void add_leases(const Command& group, Context& context);
void add_namespaces(const Command& group, Context& context);
void add_store(const Command& group, Context& context);
void add_plugins(const Command& group, Context& context);
void add_registry(const Command& group, Context& context);

// Commands of no group.
void add_events(const Command& app, Context& context);
void add_gc(const Command& app, Context& context);
void add_unshare(const Command& app, Context& context);
void add_completion(const Command& app, Context& context);

// Commands of the group `content`.
void add_content_why(const Command& group, Context& context);
// The verbs ingest, edit and abort of the group `content`.
void add_ingest(const Command& group, Context& context);

// Commands of the group `registry`.
void add_registry_logins(const Command& group, Context& context);
void add_registry_hosts(const Command& group, Context& context);

// Puts "--" before the command that a container or `unshare` is to run, whose flags are its own.
std::vector<std::string> separate_foreign_command(const Command& app, std::vector<std::string> arguments);

// Says that the command has nothing to do with layers' files, so that an ordinary user needs no privilege for it.
void needs_rows_only(const Command& command, Context& context);
void add_json(const Command& command, Context& context);
void add_quiet(const Command& command, Context& context, const std::string& about);
// The filters of a listing, ctr's positional arguments.
void add_filters(const Command& command, std::vector<std::string>& into);

} // namespace lade::cli
