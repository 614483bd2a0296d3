// SPDX-License-Identifier: Apache-2.0
// What the commands of the group `containers` share.
#pragma once

#include "cli/commands.hpp"
#include "store/containers.hpp"

namespace lade::cli {

Json to_json(const store::Container& container);

void add_container_create(const Command& group, Context& context);

} // namespace lade::cli
