// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/progress_flag.hpp"
#include "cli/snapshots.hpp"
#include "oci/reference.hpp"
#include "transfer/commit_image.hpp"

namespace lade::cli {

namespace {

constexpr std::string_view nothing = "scratch";

struct Flags {
    std::string key;
    std::string name;
    std::string snapshotter;
    std::string from;
    std::string platform;
    std::string media_type;
    std::optional<int> level;
    std::string author;
    std::string message;
    std::vector<std::string> changes;
    std::vector<std::string> labels;
    bool force = false;
    ProgressFlag progress;
};

transfer::CommitImageOptions options_of(Context& context, const Flags& flags) {
    transfer::CommitImageOptions options{.name_space = context.name_space,
                                         .lease = context.lease,
                                         .snapshotter = chosen_snapshotter(context, flags.snapshotter),
                                         .key = {},
                                         .name = oci::Reference::parse(flags.name).string(),
                                         .from = {},
                                         .from_nothing = flags.from == nothing,
                                         .platform = flags.platform.empty() ? oci::host_platform()
                                                                            : oci::parse_platform(flags.platform),
                                         .media_type = flags.media_type,
                                         .level = flags.level,
                                         .author = flags.author,
                                         .message = flags.message,
                                         .changes = flags.changes,
                                         .labels = parse_labels(flags.labels),
                                         .replace = flags.force};
    store::Snapshots snapshots(context.existing_store(), context.name_space, options.snapshotter);
    options.key = snapshots.complete(flags.key);
    // What `images mount --rw` made is named by the directory.
    if (const std::string place = key_of_place(flags.key); !snapshots.find(options.key) && snapshots.find(place))
        options.key = place;
    if (!options.from_nothing && !flags.from.empty())
        options.from = get_image(context, flags.from).name;
    return options;
}

void commit(Context& context, const Flags& flags) {
    transfer::CommitImageOptions options;
    std::optional<transfer::CommittedImage> made;
    doing([&] { return cat("commit ", printable(flags.key)); },
          [&] {
              options = options_of(context, flags);
              flags.progress.show(context, [&](transfer::Progress& progress) {
                  made = transfer::commit_image(context.store(), options, progress, context.stop());
              });
          });
    tell_warnings(made->layer.diff.warnings);
    if (context.json)
        context.print_json({{"name", options.name},
                            {"target", to_json(made->target)},
                            {"base", made->base.empty() ? Json() : Json(made->base)},
                            {"layer", to_json(made->layer.descriptor)},
                            {"diff_id", made->layer.diff.diff_id.string()},
                            {"chain_id", made->chain_id.string()}});
    else
        context.print(cat(made->target.digest, '\n'));
}

} // namespace

void add_commit(const Command& group, Context& context) {
    const Command command = group.add_command("commit", "make an image of what changed in a snapshot");
    auto flags = std::make_shared<Flags>();
    command.add_option("key", flags->key, "the snapshot, which stays").required();
    command.add_option("name", flags->name, "the new image's name").required();
    command.add_option("--snapshotter", flags->snapshotter, "of this snapshotter").envname("CONTAINERD_SNAPSHOTTER");
    command.add_option("--from", flags->from, "the image it is based on, or scratch; found out unless given")
        .type_name("IMAGE");
    command.add_option("--platform", flags->platform, "of the base, or of an image from scratch");
    command.add_list("-c,--change", flags->changes, "an instruction of a Dockerfile, as \"ENV K=V\"; repeatable")
        .type_name("TEXT");
    command.add_option("-m,--message", flags->message, "the comment of its history").type_name("TEXT");
    command.add_option("-a,--author", flags->author, "who made it").type_name("NAME");
    command.add_option("--media-type", flags->media_type, "of the layer; that of the base, with gzip, unless given")
        .type_name("TYPE");
    command.add_option("--level", flags->level, "gzip 1 to 9, zstd 1 to 22").type_name("N");
    command.add_list("--label", flags->labels, "a label of the image, key=value; may be repeated")
        .type_name("KEY=VALUE");
    command.add_flag("--force", flags->force, "replace what has the name");
    flags->progress.add(command, context);
    add_json(command, context);
    command.runs(context, [&context, flags] { commit(context, *flags); });
}

} // namespace lade::cli
