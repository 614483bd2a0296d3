// SPDX-License-Identifier: Apache-2.0
// What holds the thing that a command made and nothing refers to yet: the lease of --lease, else one of a day, or
// nothing when that was refused.
#pragma once

#include <optional>
#include <string_view>

#include "cli/context.hpp"
#include "store/keep.hpp"

namespace lade::cli {

// A lease of a day for `resource` unless --lease names one, or `refused`. Call it while a LeaseHold still holds it.
std::optional<store::Kept> keep(Context& context, bool refused, const store::LeaseResource& resource);

// {"lease": ..., "expires": ...}
Json holder_json(const Context& context, const std::optional<store::Kept>& kept);
// One line on stderr about `what`, "content sha256:...".
void tell_holder(const Context& context, std::string_view what, const std::optional<store::Kept>& kept);

} // namespace lade::cli
