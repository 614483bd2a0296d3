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
    const Privilege ours = privilege();
    if (ours == Privilege::contained)
        throw Error(ErrorKind::permission_denied, "mounting needs CAP_SYS_ADMIN, which this container's root has not; "
                                                  "use images unpack --to DIR");
    if (!may_mount(ours))
        throw Error(ErrorKind::permission_denied,
                    "mounting needs privilege; run it inside: lade unshare, or use images unpack --to DIR");
}

std::string unusable_text(Context& context, const std::string& reason) {
    // Who may enter all directories lacks something else.
    const bool lacks_privilege = context.less_privileged && !may_enter_all(privilege());
    return cat(reason, lacks_privilege ? cat(" (", *context.less_privileged, ')') : "", "; use ",
               context.store().unusable("native") ? "" : "--snapshotter native, or ", "images unpack --to DIR");
}

} // namespace lade::cli
