// SPDX-License-Identifier: Apache-2.0
#include "cli/unpacking.hpp"

#include "base/error.hpp"
#include "cli/privilege.hpp"
#include "cli/snapshots.hpp"

namespace lade::cli {

std::optional<std::string> find_unpack_target(Context& context, const std::string& flag) {
    const bool chosen = !flag.empty();
    std::string snapshotter = chosen_snapshotter(context, flag);
    context.store().open_snapshotter(snapshotter);
    const auto reason = context.store().unusable(snapshotter);
    if (!reason)
        return snapshotter;
    if (chosen)
        require_usable(context, snapshotter);
    complain(cat("warning: not unpacked: ", unusable_text(context, *reason)));
    return std::nullopt;
}

void UnpackFlags::add(const Command& command, Context& context) {
    command.add_option("--platform", platform, "the platform to unpack");
    progress.add(command, context);
    limits.add(command);
}

transfer::UnpackOptions UnpackFlags::options(Context& context, const std::string& snapshotter,
                                             const std::string& directory) const {
    transfer::UnpackOptions options{.name_space = context.name_space,
                                    .lease = context.lease,
                                    .platform = platform.empty() ? oci::host_platform() : oci::parse_platform(platform),
                                    .snapshotter = snapshotter,
                                    .directory = directory,
                                    .limits = limits.limits};
    if (directory.empty()) {
        context.store().open_snapshotter(snapshotter);
        require_usable(context, snapshotter);
    }
    return options;
}

} // namespace lade::cli
