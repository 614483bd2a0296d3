// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"

namespace lade::cli {

void add_registry(const Command& group, Context& context) {
    add_registry_hosts(group, context);
    add_registry_logins(group, context);
}

} // namespace lade::cli
