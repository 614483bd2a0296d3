// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "cli/images.hpp"
#include "cli/limit_flags.hpp"
#include "cli/progress_display.hpp"
#include "cli/snapshots.hpp"
#include "transfer/unpack.hpp"

namespace lade::cli {

namespace {

struct UnpackFlags {
    std::string name;
    std::string snapshotter;
    std::string directory;
    std::string platform;
    std::string progress = "auto";
    bool print_chain_id = false;
    LimitFlags limits;
};

void unpack(Context& context, const UnpackFlags& flags) {
    const std::string name = get_image(context, flags.name).name;
    const ProgressMode mode = context.quiet ? ProgressMode::none : parse_progress_mode(flags.progress);
    transfer::UnpackOptions options{.name_space = context.name_space,
                                    .lease = context.lease,
                                    .platform = flags.platform.empty() ? oci::host_platform()
                                                                       : oci::parse_platform(flags.platform),
                                    .snapshotter = chosen_snapshotter(context, flags.snapshotter),
                                    .directory = flags.directory,
                                    .limits = flags.limits.limits};
    if (options.directory.empty()) {
        context.store().open_snapshotter(options.snapshotter);
        if (const auto reason = snapshot::unusable(options.snapshotter))
            throw Error(ErrorKind::permission_denied, "snapshotter ", options.snapshotter, ": ", *reason,
                        "; use images unpack --to DIR");
    }
    transfer::Progress progress;
    std::optional<Context::WaitsToldTo> told;
    if (mode == ProgressMode::tty || mode == ProgressMode::json)
        told.emplace(context, [&](const std::string& text) { progress.warn(text); });
    const oci::ChainId chain_id =
        doing([&] { return cat("unpack ", name); },
              [&] {
                  const ProgressDisplay display(progress, mode);
                  return transfer::unpack(context.store(), name, options, progress, context.stop());
              });
    if (context.json)
        context.print_json({{"name", name}, {"chain_id", chain_id.string()}});
    else if (flags.print_chain_id)
        context.print(cat("image chain ID: ", chain_id.string(), "\n"));
}

} // namespace

void add_unpack(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "unpack", "unpack an image of the store");
    auto flags = std::make_shared<UnpackFlags>();
    command.add_option("ref", flags->name, "the image")->required();
    CLI::Option* snapshotter = command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter");
    snapshotter->envname("CONTAINERD_SNAPSHOTTER");
    command.add_option("--to", flags->directory, "unpack the flat root file system into this directory instead")
        ->type_name("DIR");
    command.add_option("--platform", flags->platform, "the platform to unpack");
    command.add_option("--progress", flags->progress, "auto, tty, plain, json or none")->capture_default_str();
    command.add_flag("--print-chainid", flags->print_chain_id, "print the chain ID");
    add_quiet(command, context, "no progress");
    add_json(command, context);
    flags->limits.add(command);
    command.callback([&context, flags] {
        // What lies in a directory of theirs shall be theirs.
        context.needs_trees = flags->directory.empty();
        context.command = [&context, flags] { unpack(context, *flags); };
    });
}

} // namespace lade::cli
