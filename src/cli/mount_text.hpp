// SPDX-License-Identifier: Apache-2.0
// Mounts as ctr prints them, for scripts that mount themselves.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "store/snapshots.hpp"

namespace lade::cli {

// A command line of mount(8) for each; words that a shell would take apart are quoted.
std::string mount_commands(const std::vector<snapshot::Mount>& mounts, const std::string& target);
// What people should know before they run these, on stderr.
void warn_of_mount_commands(const std::vector<snapshot::Mount>& mounts);
// "Type", "Source", "Target", "Options", as ctr has them.
std::string ctr_mounts(const std::vector<snapshot::Mount>& mounts);
// Our own form, for --json.
Json mounts_json(const std::vector<snapshot::Mount>& mounts, const std::string& target);

} // namespace lade::cli
