// SPDX-License-Identifier: Apache-2.0
#include "cli/holder.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::cli {

std::optional<store::Kept> keep(Context& context, bool refused, const store::LeaseResource& resource) {
    if (refused || !context.lease.empty())
        return std::nullopt;
    return store::keep_for_a_day(context.store(), context.name_space, resource);
}

Json holder_json(const Context& context, const std::optional<store::Kept>& kept) {
    if (kept)
        return {{"lease", kept->lease}, {"expires", rfc3339(kept->until)}};
    return {{"lease", context.lease.empty() ? Json() : Json(context.lease)}, {"expires", nullptr}};
}

void tell_holder(const Context& context, std::string_view what, const std::optional<store::Kept>& kept) {
    if (kept)
        complain(cat(what, " is held for 24 hours, by lease ", kept->lease));
    else if (!context.lease.empty())
        complain(cat(what, " is held by lease ", printable(context.lease)));
    else
        complain(cat("warning: ", what,
                     " is held by nothing of this command: unless something refers to it, the next gc takes it"));
}

} // namespace lade::cli
