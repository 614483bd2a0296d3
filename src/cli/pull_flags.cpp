// SPDX-License-Identifier: Apache-2.0
#include "cli/pull_flags.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/size.hpp"
#include "cli/commands.hpp"
#include "cli/images.hpp"
#include "cli/progress_display.hpp"

namespace lade::cli {

namespace {

transfer::PlatformChoice choose(const PullFlags& flags) {
    transfer::PlatformChoice choice{.platforms = {}, .all = flags.all_platforms, .all_documents = flags.all_metadata};
    for (const std::string& platform : flags.platforms)
        choice.platforms.push_back(oci::parse_platform(platform));
    if (choice.platforms.empty() && !choice.all)
        choice.platforms.push_back(oci::host_platform());
    return choice;
}

} // namespace

void PullFlags::add(const Command& command, Context& context) {
    command.add_option("ref", reference, "the image: alpine, user/app:1, host:5000/app@sha256:...").required();
    const Option platform = command.add_list("--platform", platforms, "for this platform (repeatable)");
    command.add_flag("--all-platforms", all_platforms, "for all platforms, without unpacking").excludes(platform);
    const Option all = command.add_flag("--all-metadata", all_metadata, "manifests and configs of all platforms");
    command.add_flag("--skip-metadata", skip_metadata, "only those of the chosen ones, as is the default")
        .excludes(all);
    command.add_flag("--with-referrers", referrers, "its signatures, SBOMs and attestations, too");
    command.add_list("--label", labels, "set a label of the image (repeatable)");
    command.add_option("--max-concurrent-downloads", downloads, "layers fetched at the same time")
        .between(1, 64)
        .capture_default_str();
    command.add_flag("--foreign-layers", foreign_layers, "fetch what the registry lacks from the layers' URLs");
    command.add_option("--chunks", chunks, "fetch a large layer by so many requests; 1 for never")
        .type_name("N")
        .between(1, 32);
    command.add_option("--chunk-size", chunk_size, "bytes of each, such as 8MiB")
        .as_size()
        .size_between(64 * kib, 64 * mib, "64KiB to 64MiB")
        .type_name("SIZE");
    progress.add(command, context, "no progress; print the image's name only");
    add_json(command, context);
    registry.add(command);
}

transfer::PullOptions PullFlags::options(const Context& context) const {
    static_cast<void>(oci::Reference::parse(reference));
    static_cast<void>(parse_progress_mode(progress.word));
    // The image row is written last, which is late for an error.
    static_cast<void>(store::time_of_change());
    transfer::PullOptions options{.name_space = context.name_space,
                                  .lease = context.lease,
                                  .choice = choose(*this),
                                  .layers = true,
                                  .snapshotter = std::nullopt,
                                  .labels = parse_labels(labels),
                                  .downloads = downloads,
                                  .registry = registry.options(context.stop()),
                                  .limits = {}};
    options.registry.ask_program = context.ask_program();
    options.registry.foreign_layers = foreign_layers;
    options.referrers = referrers;
    registry::Chunks& ranges = options.registry.chunks;
    ranges = {.size = chunk_size.value_or(ranges.size),
              .at_once = chunks.value_or(ranges.at_once),
              .always = chunks || chunk_size};
    oci::validate(options.labels);
    return options;
}

transfer::Pulled PullFlags::pull(Context& context, const transfer::PullOptions& options,
                                 const std::string& verb) const {
    const oci::Reference image = oci::Reference::parse(reference);
    const auto start = std::chrono::steady_clock::now();
    std::optional<transfer::Pulled> pulled;
    ProgressFlag shown = progress;
    // Lines would be drawn over.
    if (registry.verbose && shown.word == "auto")
        shown.word = "plain";
    shown.show(
        context,
        [&](transfer::Progress& board) {
            pulled = transfer::pull(context.store(), image, options, board, context.stop());
        },
        [&](const transfer::Progress& board) {
            const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
            const std::string unchanged =
                options.policy == transfer::PullPolicy::if_newer ? "up to date:" : "in the store:";
            write_summary(cat(pulled->stored ? unchanged : verb, ' ', pulled->name, ' ', pulled->target.digest),
                          look(board, elapsed));
        });
    if (context.json) {
        Json chain_ids = Json::array();
        for (const oci::ChainId& chain_id : pulled->chain_ids)
            chain_ids.push_back(chain_id.string());
        context.print_json({{"name", pulled->name},
                            {"target", to_json(pulled->target)},
                            {"chain_ids", chain_ids},
                            {"stored", pulled->stored}});
    } else if (context.quiet) {
        context.print(pulled->name + "\n");
    }
    return *std::move(pulled);
}

} // namespace lade::cli
