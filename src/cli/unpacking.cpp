// SPDX-License-Identifier: Apache-2.0
#include "cli/unpacking.hpp"

#include "cli/privilege.hpp"

namespace lade::cli {

void UnpackFlags::add(CLI::App& command, Context& context) {
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
