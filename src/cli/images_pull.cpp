// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>

#include "base/error.hpp"
#include "cli/images.hpp"
#include "cli/limit_flags.hpp"
#include "cli/progress_display.hpp"
#include "cli/registry_flags.hpp"
#include "transfer/pull.hpp"

namespace lade::cli {

namespace {

struct PullFlags {
    std::string reference;
    std::vector<std::string> platforms;
    bool all_platforms = false;
    bool no_unpack = false;
    bool print_chain_id = false;
    bool ignored = false;
    std::string snapshotter;
    std::vector<std::string> labels;
    std::size_t downloads = 4;
    std::string progress = "auto";
    RegistryFlags registry;
    LimitFlags limits;
};

transfer::PlatformChoice choose(const std::vector<std::string>& platforms, bool all) {
    transfer::PlatformChoice choice{.platforms = {}, .all = all};
    for (const std::string& platform : platforms)
        choice.platforms.push_back(oci::parse_platform(platform));
    if (choice.platforms.empty() && !all)
        choice.platforms.push_back(oci::host_platform());
    return choice;
}

// Where a pull unpacks to: nowhere when that was asked for, or when nobody asked and this process cannot.
std::optional<std::string> unpack_target(Context& context, const PullFlags& flags) {
    if (flags.no_unpack || flags.all_platforms)
        return std::nullopt;
    const bool chosen = !flags.snapshotter.empty();
    std::string snapshotter = chosen ? flags.snapshotter : default_snapshotter(context);
    context.store().open_snapshotter(snapshotter);
    const auto reason = snapshot::unusable(snapshotter);
    if (!reason)
        return snapshotter;
    if (chosen)
        throw Error(ErrorKind::permission_denied, "snapshotter ", snapshotter, ": ", *reason,
                    "; use images unpack --to DIR");
    complain(cat("warning: not unpacked: ", *reason, "; use lade images unpack --to DIR"));
    return std::nullopt;
}

void pull(Context& context, const PullFlags& flags) {
    const oci::Reference reference = oci::Reference::parse(flags.reference);
    const ProgressMode mode = context.quiet ? ProgressMode::none : parse_progress_mode(flags.progress);
    transfer::PullOptions options{.name_space = context.name_space,
                                  .lease = context.lease,
                                  .choice = choose(flags.platforms, flags.all_platforms),
                                  .snapshotter = std::nullopt,
                                  .labels = parse_labels(flags.labels),
                                  .downloads = flags.downloads,
                                  .registry = flags.registry.options(context.stop()),
                                  .limits = flags.limits.limits};
    oci::validate(options.labels);
    options.snapshotter = unpack_target(context, flags);

    const auto start = std::chrono::steady_clock::now();
    transfer::Progress progress;
    const Context::WaitsToldTo told(context, [&](const std::string& text) { progress.warn(text); });
    transfer::Pulled pulled = [&] {
        const ProgressDisplay display(progress, mode);
        return transfer::pull(context.store(), reference, options, progress, context.stop());
    }();
    if (mode == ProgressMode::tty || mode == ProgressMode::plain) {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        const ProgressView view = look(progress, elapsed);
        write_summary(cat("pulled ", pulled.name, " ", pulled.target.digest), view);
    }
    if (context.json) {
        Json chain_ids = Json::array();
        for (const oci::ChainId& chain_id : pulled.chain_ids)
            chain_ids.push_back(chain_id.string());
        context.print_json({{"name", pulled.name}, {"target", to_json(pulled.target)}, {"chain_ids", chain_ids}});
        return;
    }
    if (context.quiet)
        context.print(pulled.name + "\n");
    if (flags.print_chain_id)
        for (const oci::ChainId& chain_id : pulled.chain_ids)
            context.print(cat("image chain ID: ", chain_id.string(), "\n"));
}

} // namespace

void add_pull(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "pull", "fetch an image from its registry and unpack it");
    auto flags = std::make_shared<PullFlags>();
    command.add_option("ref", flags->reference, "the image: alpine, user/app:1, host:5000/app@sha256:...")->required();
    CLI::Option* platform = add_list(command, "--platform", flags->platforms, "pull for this platform (repeatable)");
    command.add_flag("--all-platforms", flags->all_platforms, "pull all platforms, without unpacking")
        ->excludes(platform);
    command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter")
        ->envname("CONTAINERD_SNAPSHOTTER");
    command.add_flag("--no-unpack", flags->no_unpack, "fetch only");
    command.add_flag("--print-chainid", flags->print_chain_id, "print the chain ID of what was unpacked");
    add_list(command, "--label", flags->labels, "set a label of the image (repeatable)");
    command.add_option("--max-concurrent-downloads", flags->downloads, "layers fetched at the same time")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--progress", flags->progress, "auto, tty, plain, json or none")->capture_default_str();
    command.add_flag("--local,--sync-fs,--skip-metadata", flags->ignored, "accepted for ctr; always so here")
        ->group("");
    add_quiet(command, context, "no progress; print the image's name only");
    add_json(command, context);
    flags->registry.add(command);
    flags->limits.add(command);
    command.callback([&context, flags] { context.command = [&context, flags] { pull(context, *flags); }; });
}

} // namespace lade::cli
