// SPDX-License-Identifier: Apache-2.0
// What a process that lacks privilege is told to do instead: before the work, not in the middle of it.
#pragma once

#include <string>

#include "cli/context.hpp"

namespace lade::cli {

// permission_denied when this process cannot make snapshots with `snapshotter`.
void require_usable(Context& context, const std::string& snapshotter);
// permission_denied when this process cannot mount for others. A command that asks this must not have entered a user
// namespace of its own, where nobody would see what it mounts (needs_rows_only).
void require_mounting();

// What is said of a snapshotter that cannot be used, and why: "...; use ...".
std::string unusable_text(Context& context, const std::string& reason);

} // namespace lade::cli
