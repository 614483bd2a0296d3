// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "cli/holder.hpp"
#include "cli/output.hpp"
#include "cli/progress_flag.hpp"
#include "cli/snapshots.hpp"
#include "store/blobs.hpp"
#include "transfer/diff.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string first;
    std::string second;
    std::string media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    std::optional<int> level;
    std::string ref;
    std::vector<std::string> labels;
    bool no_lease = false;
    bool keep = false;
    bool store = false;
    ProgressFlag progress;
};

transfer::StoredDiff store_diff(Context& context, const Flags& flags, store::Snapshots& snapshots,
                                const transfer::DiffOptions& options, store::LeaseHold& lease) {
    oci::Labels labels = parse_labels(flags.labels);
    if (flags.keep)
        labels.insert_or_assign(std::string(oci::label::gc_root), rfc3339(now()));
    const std::string ref = flags.ref.empty() ? "diff-" + random_text(12) : flags.ref;
    std::optional<transfer::StoredDiff> stored;
    flags.progress.show(context, [&](transfer::Progress& progress) {
        stored = transfer::store_diff(context.store(), context.name_space, snapshots, options, ref, labels, lease,
                                      progress, context.stop());
    });
    return *std::move(stored);
}

void say_stored(Context& context, const Flags& flags, const transfer::StoredDiff& stored) {
    const oci::Digest& digest = stored.descriptor.digest;
    std::optional<store::Kept> kept;
    if (!flags.keep)
        kept = keep(context, flags.no_lease, {.type = "content", .key = digest.string()});
    if (context.json) {
        Json document = holder_json(context, kept);
        document.update({{"mediaType", stored.descriptor.media_type},
                         {"digest", digest.string()},
                         {"size", stored.descriptor.size},
                         {"diff_id", stored.diff.diff_id.string()}});
        context.print_json(document);
    } else if (flags.store) {
        context.print(cat(digest, '\n'));
    }
    if (flags.keep)
        complain(cat("content ", digest, " is kept by its label ", oci::label::gc_root));
    else
        tell_holder(context, cat("content ", digest), kept);
}

void diff(Context& context, const Flags& flags, const SnapshotterFlag& snapshotter) {
    if (!flags.store && context.json)
        throw Error(ErrorKind::invalid_argument, "--json tells of a layer in the store: add --store");
    if (!flags.store && ::isatty(STDOUT_FILENO) == 1)
        throw Error(ErrorKind::invalid_argument, "standard output is a terminal: redirect it, or add --store");
    static_cast<void>(context.existing_store());
    store::Store& store = context.store();
    store::Snapshots snapshots = changing_snapshots(context, snapshotter);
    const bool two = !flags.second.empty();
    const transfer::DiffOptions options{.upper = snapshots.complete(two ? flags.second : flags.first),
                                        .lower = two ? std::optional(snapshots.complete(flags.first)) : std::nullopt,
                                        .media_type = flags.media_type,
                                        .level = flags.level};
    store::LeaseHold lease(store, context.name_space, context.lease);
    Output output(context.stop());
    if (!flags.store && !flags.keep) {
        transfer::Progress unseen;
        tell_warnings(transfer::diff(snapshots, options, lease, output, unseen, context.stop()).warnings);
        return;
    }
    const transfer::StoredDiff stored = store_diff(context, flags, snapshots, options, lease);
    if (!flags.store) {
        const Fd blob = store::Blobs(store, context.name_space).open(stored.descriptor.digest);
        FileSource source(blob.get(), stored.descriptor.digest.string());
        copy(source, output);
    }
    tell_warnings(stored.diff.warnings);
    say_stored(context, flags, stored);
}

} // namespace

void tell_warnings(const archive::Warnings& warnings) {
    for (const std::string& warning : warnings.warnings)
        complain("warning: " + warning);
    if (warnings.unsaid_warnings > 0)
        complain(cat("warning: ", warnings.unsaid_warnings, " more like these"));
}

void add_snapshots_diff(const Command& group, Context& context, const SnapshotterFlag& flag) {
    const Command command = group.add_command("diff", "make a layer of what one snapshot has and another has not");
    auto flags = std::make_shared<Flags>();
    command.add_option("a", flags->first, "the snapshot; with B the one that the layer is to lie on").required();
    command.add_option("b", flags->second, "the snapshot that A becomes with the layer");
    command.add_option("--media-type", flags->media_type, "what the layer is to be")
        .type_name("TYPE")
        .capture_default_str();
    command.add_option("--level", flags->level, "gzip 1 to 9, zstd 1 to 22").type_name("N");
    command.add_option("--ref", flags->ref, "the ingest's name, of a layer that is stored").type_name("REF");
    command.add_flag("--keep", flags->keep, "store it, too, until its label is removed");
    command.add_flag("--store", flags->store, "store it and print its digest instead");
    command.add_list("--label", flags->labels, "a label of what is stored, key=value; may be repeated")
        .type_name("KEY=VALUE");
    command.add_flag("--no-lease", flags->no_lease, "leave what is stored to the next collection");
    flags->progress.add(command, context, "no progress where it is stored");
    add_json(command, context);
    command.runs(context, [&context, flags, flag] {
        const std::string what = flags->second.empty() ? flags->first : cat(flags->first, ' ', flags->second);
        doing([&] { return cat("diff ", printable(what)); }, [&] { diff(context, *flags, flag); });
    });
}

} // namespace lade::cli
