// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/commands.hpp"

namespace lade::cli {

// images convert
void add_convert(const Command& group, Context& context);

} // namespace lade::cli
