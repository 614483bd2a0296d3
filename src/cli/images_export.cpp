// SPDX-License-Identifier: Apache-2.0
#include "cli/images_export.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/umask.hpp"
#include "cli/digest_list.hpp"
#include "cli/images.hpp"
#include "cli/output.hpp"
#include "cli/progress_display.hpp"
#include "cli/progress_flag.hpp"
#include "transfer/export.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string out;
    std::vector<std::string> images;
    std::vector<std::string> platforms;
    bool all_platforms = false;
    bool keep_missing = false;
    bool skip_manifest_json = false;
    bool skip_nondistributable = false;
    bool referrers = false;
    std::string format = "oci";
    std::vector<std::string> since;
    std::vector<std::string> have;
    bool ignored = false;
    ProgressFlag progress;

    bool to_stdout() const { return out == "-"; }
    bool to_directory() const {
        std::error_code none;
        return !to_stdout() && (out.ends_with('/') || std::filesystem::is_directory(out, none));
    }
};

[[noreturn]] void refuse(const char* text) {
    throw Error(ErrorKind::invalid_argument, text);
}

void check(const Context& context, const Flags& flags) {
    if (flags.to_stdout() && context.json)
        refuse("--json tells of a file or a directory, and here standard output is the archive");
    if (flags.to_stdout() && ::isatty(STDOUT_FILENO) == 1)
        refuse("standard output is a terminal: redirect it, or name a file");
    if (flags.format != "docker")
        return;
    if (flags.to_directory())
        refuse("--format docker: is an archive, no directory");
    if (flags.all_platforms || flags.platforms.size() > 1)
        refuse("--format docker: has one platform of each image");
    if (flags.keep_missing || flags.referrers || flags.skip_manifest_json || flags.skip_nondistributable ||
        !flags.since.empty() || !flags.have.empty())
        refuse("--format docker: goes with --platform alone, the others are about --format oci");
}

transfer::ExportOptions options_of(const Context& context, const Flags& flags) {
    transfer::ExportOptions options{.name_space = context.name_space,
                                    .images = flags.images,
                                    .since = flags.since,
                                    .form = flags.format == "docker" ? transfer::ArchiveForm::docker
                                                                     : transfer::ArchiveForm::oci,
                                    .contents = {.all_platforms = flags.all_platforms,
                                                 .keep_missing = flags.keep_missing,
                                                 .nondistributable = !flags.skip_nondistributable,
                                                 .docker_manifest = !flags.skip_manifest_json,
                                                 .referrers = flags.referrers}};
    std::ranges::transform(flags.platforms, std::back_inserter(options.contents.platforms), oci::parse_platform);
    for (const std::string& file : flags.have)
        options.contents.have.merge(read_digest_list(file, context.stop()));
    return options;
}

transfer::Exported write(Context& context, const Flags& flags, const transfer::ExportOptions& options,
                         transfer::Progress& board) {
    store::Store& store = context.existing_store();
    if (flags.to_stdout()) {
        Output output(context.stop());
        return transfer::export_to(output, store, options, board, context.stop());
    }
    if (flags.to_directory()) {
        // Opening the store has found that it is a duration.
        const Patience patience{.limit = parse_duration(context.wait).value(),
                                .tell = [&](const std::string& holders) { board.warn("waiting for " + holders); }};
        return transfer::export_to_directory(flags.out, patience, store, options, board, context.stop());
    }
    const mode_t mode = 0666U & ~user_umask();
    return transfer::export_to_file(flags.out, mode, store, options, board, context.stop());
}

std::string summary(const Flags& flags, const transfer::Exported& exported) {
    const std::string what =
        exported.images.size() == 1 ? exported.images.front().name : cat(exported.images.size(), " images");
    const std::string without =
        exported.left_out == 0 ? "" : cat(" without ", exported.left_out, " blobs that the other side has");
    return cat("exported ", printable(what), " to ", flags.to_stdout() ? "standard output" : printable(flags.out),
               without);
}

void tell(const Context& context, const Flags& flags, const transfer::Exported& exported) {
    if (flags.to_stdout())
        return;
    if (context.json) {
        Json images = Json::array();
        for (const transfer::ExportedImage& image : exported.images)
            images.push_back({{"name", image.name}, {"target", to_json(image.target)}});
        context.print_json({{"images", std::move(images)},
                            {"blobs", exported.blobs},
                            {"size", exported.size},
                            {"left_out", exported.left_out}});
        return;
    }
    std::string text;
    for (const transfer::ExportedImage& image : exported.images)
        text.append(image.name).append(1, '@').append(image.target.digest.string()).append(1, '\n');
    context.print(text);
}

void export_images(Context& context, const Flags& flags) {
    check(context, flags);
    const transfer::ExportOptions options = options_of(context, flags);
    const auto start = std::chrono::steady_clock::now();
    std::optional<transfer::Exported> exported;
    flags.progress.show(
        context, [&](transfer::Progress& board) { exported = write(context, flags, options, board); },
        [&](const transfer::Progress& board) {
            const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
            write_summary(summary(flags, *exported), look(board, elapsed));
        });
    tell(context, flags, *exported);
}

} // namespace

void add_export(const Command& group, Context& context) {
    const Command command = group.add_command("export", "write images into an archive or a directory");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("out", flags->out, "a file, a directory (DIR/), or - for standard output").required();
    command.add_option("image", flags->images, "the images, by name or ID").required();
    const Option platform =
        command.add_list("--platform", flags->platforms, "of an index this image only (repeatable)");
    command.add_flag("--all-platforms", flags->all_platforms, "all of an index, or nothing if a part is missing")
        .excludes(platform);
    command.add_flag("--keep-missing", flags->keep_missing, "an index stays as it is, though parts are not here");
    command.add_option("--format", flags->format, "oci, or docker for old readers")
        .one_of({"oci", "docker"})
        .capture_default_str();
    command.add_flag("--skip-manifest-json", flags->skip_manifest_json, "no manifest.json for docker beside OCI's");
    command.add_flag("--skip-non-distributable", flags->skip_nondistributable,
                     "without layers that are not to be distributed");
    command.add_flag("--with-referrers", flags->referrers, "its signatures, SBOMs and attestations, too");
    command.add_list("--since", flags->since, "without the blobs that this image has (repeatable)").type_name("IMAGE");
    command.add_list("--have", flags->have, "without the blobs whose digests this file lists (repeatable)")
        .type_name("FILE");
    command.add_flag("--local", flags->ignored, "accepted for ctr; always so here").group("");
    flags->progress.add(command, context);
    add_json(command, context);
    command.runs(context, [&context, flags] { export_images(context, *flags); });
}

} // namespace lade::cli
