// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "cli/images.hpp"
#include "cli/input.hpp"
#include "cli/limit_flags.hpp"
#include "cli/progress_display.hpp"
#include "cli/progress_flag.hpp"
#include "cli/unpacking.hpp"
#include "oci/reference.hpp"
#include "transfer/import.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string input;
    std::string base_name;
    std::string index_name;
    bool digests = false;
    bool skip_digest_for_named = false;
    std::vector<std::string> platforms;
    bool all_platforms = false;
    bool no_unpack = false;
    bool compress_blobs = false;
    bool discard_layers = false;
    bool ignored = false;
    std::string snapshotter;
    std::vector<std::string> labels;
    ProgressFlag progress;
    LimitFlags limits;
};

// ctr's prefix for images that have no name of their own: the day, where people are.
std::string prefix_of_today() {
    const std::time_t time = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(store::time_of_change()));
    std::tm local{};
    ::localtime_r(&time, &local);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "import-%Y-%m-%d", &local)};
}

transfer::ImportOptions options_of(Context& context, const Flags& flags) {
    static_cast<void>(parse_progress_mode(flags.progress.word));
    transfer::ImportOptions options{.name_space = context.name_space, .lease = context.lease};
    options.choice.all = flags.all_platforms;
    for (const std::string& platform : flags.platforms)
        options.choice.platforms.push_back(oci::parse_platform(platform));
    options.any_platform = flags.platforms.empty();
    if (options.any_platform && !flags.all_platforms)
        options.choice.platforms.push_back(oci::host_platform());
    options.labels = parse_labels(flags.labels);
    oci::validate(options.labels);
    options.naming = {.prefix = flags.base_name.empty() ? prefix_of_today() : flags.base_name,
                      .others = flags.base_name.empty(),
                      .digests = flags.digests,
                      .digests_of_unnamed = flags.skip_digest_for_named};
    for (const std::string& name : {options.naming.prefix, flags.index_name})
        if (!name.empty())
            static_cast<void>(oci::Reference::parse(name));
    options.index_name = flags.index_name;
    options.compress = flags.compress_blobs;
    options.discard_layers = flags.discard_layers;
    options.limits = flags.limits.limits;
    if (!flags.no_unpack)
        options.snapshotter = find_unpack_target(context, flags.snapshotter);
    return options;
}

// Standard input, and whatever else has no place to go back to, is a stream.
transfer::ImportInput open_input(const std::string& name, std::optional<Input>& stream, const std::stop_token& stop) {
    const std::size_t scheme = name.find("://");
    if (name.starts_with("file://"))
        throw Error(ErrorKind::invalid_argument, printable(name), ": import takes the path of a file, not its URL");
    if (scheme != std::string::npos)
        throw Error(ErrorKind::invalid_argument, printable(name),
                    ": import reads archives and directories; an image of a registry is fetched by: lade images pull ",
                    printable(name.substr(scheme + 3)));
    if (name == "-") {
        if (::isatty(STDIN_FILENO) == 1)
            throw Error(ErrorKind::invalid_argument, "an archive is not read from a terminal");
        stream.emplace(stop);
        return {.name = "standard input", .file = Fd(), .stream = &*stream};
    }
    transfer::ImportInput input{.name = name, .file = open_at(AT_FDCWD, name, O_RDONLY | O_NONBLOCK)};
    struct stat st {};
    if (::fstat(input.file.get(), &st) != 0)
        throw_errno(errno, "stat ", printable(name));
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        stream.emplace(stop, std::move(input.file), printable(name));
        input.stream = &*stream;
    }
    return input;
}

Json describe(const transfer::ImportedImage& image) {
    Json chain_ids = Json::array();
    for (const oci::ChainId& chain_id : image.chain_ids)
        chain_ids.push_back(chain_id.string());
    return {{"name", image.name},
            {"target", to_json(image.target)},
            {"replaced", image.replaced ? Json(image.replaced->string()) : Json()},
            {"chain_ids", chain_ids}};
}

void import(Context& context, const Flags& flags) {
    std::optional<Input> stream;
    transfer::ImportInput input = open_input(flags.input, stream, context.stop());
    const transfer::ImportOptions options = options_of(context, flags);
    const auto start = std::chrono::steady_clock::now();
    std::vector<transfer::ImportedImage> images;
    bool leaves_garbage = false;
    flags.progress.show(
        context,
        [&](transfer::Progress& board) {
            try {
                transfer::ImportResult result =
                    transfer::import_images(context.store(), std::move(input), options, board, context.stop());
                images = std::move(result.images);
                leaves_garbage = result.leaves_garbage;
            } catch (const Error&) {
                context.collect_at_end();
                throw;
            }
        },
        [&](const transfer::Progress& board) {
            const ProgressView view = look(board, std::chrono::steady_clock::now() - start);
            for (const transfer::ImportedImage& image : images)
                write_summary(cat("imported ", image.name, ' ', image.target.digest), view);
        });
    if (leaves_garbage)
        context.collect_at_end();
    if (context.json) {
        Json list = Json::array();
        for (const transfer::ImportedImage& image : images)
            list.push_back(describe(image));
        context.print_json(list);
    } else if (context.quiet) {
        std::string names;
        for (const transfer::ImportedImage& image : images)
            names.append(image.name).append("\n");
        context.print(names);
    }
}

} // namespace

void add_import(const Command& group, Context& context) {
    const Command command = group.add_command("import", "take images from an archive or a layout, and unpack them");
    auto flags = std::make_shared<Flags>();
    command.add_option("in", flags->input, "a tar file, also compressed, a directory, or - for standard input")
        .type_name("FILE")
        .required();
    command.add_option("--base-name", flags->base_name, "name tags after this; of other names take those below it")
        .type_name("NAME");
    command.add_flag("--digests", flags->digests, "name images by their digests, too");
    command.add_flag("--skip-digest-for-named", flags->skip_digest_for_named, "but those that have a name");
    command.add_option("--index-name", flags->index_name, "name the index of all that is there").type_name("NAME");
    const Option platform = command.add_list("--platform", flags->platforms, "for this platform (repeatable)");
    command.add_flag("--all-platforms", flags->all_platforms, "for all platforms; this machine's is unpacked")
        .excludes(platform);
    command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter")
        .envname("CONTAINERD_SNAPSHOTTER");
    const Option no_unpack = command.add_flag("--no-unpack", flags->no_unpack, "store only");
    command.add_flag("--compress-blobs", flags->compress_blobs, "store plain layers of docker archives as gzip");
    command.add_flag("--discard-unpacked-layers", flags->discard_layers, "keep no layers but their snapshots")
        .excludes(no_unpack);
    command.add_list("--label", flags->labels, "set a label of the images (repeatable)");
    command.add_flag("--local,--sync-fs", flags->ignored, "accepted for ctr; always so here").group("");
    flags->progress.add(command, context, "no progress; print the images' names only");
    add_json(command, context);
    flags->limits.add(command);
    command.runs(context, [&context, flags] { import(context, *flags); });
}

} // namespace lade::cli
