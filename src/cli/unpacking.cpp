// SPDX-License-Identifier: Apache-2.0
#include "cli/unpacking.hpp"

#include <optional>

#include "cli/privilege.hpp"
#include "cli/progress_display.hpp"

namespace lade::cli {

void UnpackFlags::add(CLI::App& command, Context& context) {
    command.add_option("--platform", platform, "the platform to unpack");
    command.add_option("--progress", progress, "auto, tty, plain, json or none")->capture_default_str();
    add_quiet(command, context, "no progress");
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

void UnpackFlags::show(Context& context, const std::function<void(transfer::Progress&)>& work) const {
    const ProgressMode mode = context.quiet ? ProgressMode::none : parse_progress_mode(progress);
    transfer::Progress board;
    std::optional<Context::WaitsToldTo> told;
    if (mode == ProgressMode::tty || mode == ProgressMode::json)
        told.emplace(context, [&](const std::string& text) { board.warn(text); });
    const ProgressDisplay display(board, mode);
    work(board);
}

} // namespace lade::cli
