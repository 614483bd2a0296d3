// SPDX-License-Identifier: Apache-2.0
#include "cli/privilege.hpp"

#include "base/error.hpp"
#include "base/privilege.hpp"
#include "store/snapshots.hpp"

namespace lade::cli {

void require_usable(Context& context, const std::string& snapshotter) {
    if (const auto reason = context.store().unusable(snapshotter))
        throw Error(ErrorKind::permission_denied, "snapshotter ", snapshotter, ": ", unusable_text(context, *reason));
}

void require_mounting() {
    if (!may_mount(privilege()))
        throw Error(ErrorKind::permission_denied,
                    "mounting needs privilege; run it inside: lade unshare, or use images unpack --to DIR");
}

std::string unusable_text(const Context& context, const std::string& reason) {
    return cat(reason, context.less_privileged ? cat(" (", *context.less_privileged, ')') : "",
               "; use images unpack --to DIR");
}

} // namespace lade::cli
