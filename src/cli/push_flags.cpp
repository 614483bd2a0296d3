// SPDX-License-Identifier: Apache-2.0
#include "cli/push_flags.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/images.hpp"
#include "cli/progress_display.hpp"

namespace lade::cli {

void PushFlags::add(const Command& command, Context& context) {
    const Option platform = command.add_list("--platform", platforms, "of an index this image only (repeatable)");
    command.add_flag("--all-platforms", all_platforms, "all of an index, as is the default").excludes(platform);
    command.add_flag("--allow-nondistributable,--allow-non-distributable-blobs", nondistributable,
                     "layers that are not to be distributed, too");
    command.add_flag("--with-referrers", referrers, "its signatures, SBOMs and attestations, too");
    command.add_option("--uploads,--max-concurrent-uploaded-layers", uploads, "blobs sent at the same time")
        .between(1, 64)
        .capture_default_str();
    command.add_option("--chunk-size", chunk_size, "larger blobs go in pieces of this size")
        .type_name("SIZE")
        .capture_default_str();
    command.add_flag("--local", ignored, "accepted for ctr; always so here").group("");
    add_output(command, context);
}

void PushFlags::add_output(const Command& command, Context& context) {
    progress.add(command, context, "no progress");
    add_json(command, context);
}

std::vector<oci::Platform> PushFlags::chosen_platforms() const {
    std::vector<oci::Platform> chosen;
    std::ranges::transform(platforms, std::back_inserter(chosen), oci::parse_platform);
    return chosen;
}

std::uint64_t PushFlags::piece() const {
    const auto size = parse_size(chunk_size);
    if (!size || *size == 0)
        throw Error(ErrorKind::invalid_argument, "--chunk-size ", printable(chunk_size), ": not a size such as 16MiB");
    return *size;
}

void PushFlags::run(Context& context, const std::string& verb, bool verbose,
                    const std::function<transfer::Pushed(transfer::Progress&)>& work, const std::string& text) const {
    const auto start = std::chrono::steady_clock::now();
    std::optional<transfer::Pushed> pushed;
    ProgressFlag shown = progress;
    if (verbose && shown.word == "auto")
        shown.word = "plain";
    shown.show(
        context, [&](transfer::Progress& board) { pushed = work(board); },
        [&](const transfer::Progress& board) {
            const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
            const std::string with =
                referrers ? cat(" with ", pushed->delivered.referrers, " referrers") : std::string();
            write_summary(cat(verb, ' ', pushed->name, ' ', pushed->target.digest, with), look(board, elapsed));
        });
    if (context.json)
        context.print_json({{"name", pushed->name},
                            {"target", to_json(pushed->target)},
                            {"uploaded", pushed->delivered.uploaded},
                            {"mounted", pushed->delivered.mounted},
                            {"existed", pushed->delivered.existed},
                            {"referrers", pushed->delivered.referrers}});
    else
        context.print(text.empty() ? cat(pushed->name, '@', pushed->target.digest, '\n') : text);
}

} // namespace lade::cli
