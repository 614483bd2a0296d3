// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/commands.hpp"

namespace lade::cli {

void add_export(const Command& group, Context& context);

} // namespace lade::cli
