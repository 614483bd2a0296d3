// SPDX-License-Identifier: Apache-2.0
#include "cli/content.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "store/blobs.hpp"
#include "store/digests.hpp"
#include "store/prune_references.hpp"

namespace lade::cli {

namespace {

using Filters = std::vector<std::string>;

void list(Context& context, const Filters& filters) {
    const Filter filter = parse_filter(filters);
    std::vector<store::Blob> all;
    if (store::Store* store = context.find_store())
        all = store::Blobs(*store, context.name_space).list(filter);
    if (context.json) {
        Json array = Json::array();
        for (const store::Blob& blob : all)
            array.push_back({{"digest", blob.digest.string()},
                             {"size", blob.size},
                             {"created", rfc3339(blob.created)},
                             {"updated", rfc3339(blob.updated)},
                             {"labels", labels_json(blob.labels)}});
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        std::string text;
        for (const store::Blob& blob : all)
            text += blob.digest.string() + "\n";
        context.print(text);
        return;
    }
    Table table({"DIGEST", "SIZE", "AGE", "LABELS"});
    for (const store::Blob& blob : all)
        table.add({blob.digest.string(), si_size(blob.size), age(now() - blob.created), format_labels(blob.labels)});
    context.print(table.text());
}

void add_list(const Command& group, Context& context) {
    const Command command = group.add_command("ls", "list blobs", {"list"});
    needs_rows_only(command, context);
    auto filters = std::make_shared<Filters>();
    add_filters(command, *filters);
    add_quiet(command, context, "print digests only");
    add_json(command, context);
    command.runs(context, [&context, filters] { list(context, *filters); });
}

void active(Context& context, const Filters& filters) {
    const Filter filter = parse_filter(filters);
    std::vector<store::IngestStatus> all;
    if (store::Store* store = context.find_store())
        all = store::Blobs(*store, context.name_space).active(filter);
    if (context.json) {
        Json array = Json::array();
        for (const store::IngestStatus& ingest : all)
            array.push_back({{"ref", ingest.ref},
                             {"offset", ingest.offset},
                             {"total", ingest.total},
                             {"started", rfc3339(ingest.started)},
                             {"updated", rfc3339(ingest.updated)}});
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        for (const store::IngestStatus& ingest : all)
            context.print(printable(ingest.ref) + "\n");
        return;
    }
    Table table({"REF", "SIZE", "AGE"});
    for (const store::IngestStatus& ingest : all)
        table.add({ingest.ref, si_size(ingest.offset), age(now() - ingest.started)});
    context.print(table.text());
}

void add_active(const Command& group, Context& context) {
    const Command command = group.add_command("active", "list downloads, running or resumable");
    needs_rows_only(command, context);
    struct Flags {
        Filters filters;
        std::string ignored;
    };
    auto flags = std::make_shared<Flags>();
    add_filters(command, flags->filters);
    add_quiet(command, context, "print refs only");
    add_json(command, context);
    command.add_option("-t,--timeout", flags->ignored, "accepted for ctr").group("");
    command.runs(context, [&context, flags] { active(context, flags->filters); });
}

struct GetFlags {
    std::string digest;
    std::string offset;
    std::string length;
};

std::uint64_t bytes_of(const std::string& flag, const std::string& text) {
    const auto bytes = parse_size(text);
    if (!bytes)
        throw Error(ErrorKind::invalid_argument, flag, " \"", printable(text), "\": not a size");
    return *bytes;
}

void get(Context& context, const GetFlags& flags) {
    const std::uint64_t offset = flags.offset.empty() ? 0 : bytes_of("--offset", flags.offset);
    const std::uint64_t length = flags.length.empty() ? UINT64_MAX : bytes_of("--length", flags.length);
    const oci::Digest digest = resolve_digest(context, flags.digest);
    store::Blobs blobs(context.existing_store(), context.name_space);
    const Fd file = blobs.open(digest);
    if (const std::uint64_t size = blobs.get(digest).size; offset > size)
        throw Error(ErrorKind::invalid_argument, "content ", digest, ": offset ", offset, " is beyond its ", size,
                    " bytes");
    FileSource source(file.get(), digest.string(), offset, length);
    Output output(context.stop());
    copy(source, output);
}

void add_get(const Command& group, Context& context) {
    const Command command = group.add_command("get", "write a blob to standard output");
    needs_rows_only(command, context);
    auto flags = std::make_shared<GetFlags>();
    command.add_option("digest", flags->digest, "the blob, or the start of its digest").required();
    command.add_option("--offset", flags->offset, "begin at this byte; 512, 10MB, 1MiB").type_name("SIZE");
    command.add_option("--length", flags->length, "write at most that much").type_name("SIZE");
    command.runs(context, [&context, flags] { get(context, *flags); });
}

void remove(Context& context, const std::vector<std::string>& digests) {
    store::Blobs blobs(context.store(), context.name_space);
    context.collect_at_end();
    for_each_item(digests, [&](const std::string& text) {
        // As ctr has it: one that is gone already is gone.
        const oci::Digest digest = resolve_digest(context, text);
        if (blobs.remove(digest, context.lease))
            context.print(digest.string() + "\n");
    });
}

void add_remove(const Command& group, Context& context) {
    const Command command =
        group.add_command("rm", "remove blobs, whatever refers to them", {"remove", "del", "delete"});
    auto digests = std::make_shared<std::vector<std::string>>();
    command.add_option("digest", *digests, "the blobs, or the starts of their digests");
    command.runs(context, [&context, digests] { remove(context, *digests); });
}

struct LabelFlags {
    std::string digest;
    std::vector<std::string> labels;
};

void label(Context& context, const LabelFlags& flags) {
    const oci::Labels changes = parse_labels(flags.labels);
    const oci::Digest digest = resolve_digest(context, flags.digest);
    if (!changes.empty())
        store::Blobs(context.store(), context.name_space).label(digest, changes);
    const oci::Labels labels = store::Blobs(context.existing_store(), context.name_space).get(digest).labels;
    if (context.json)
        context.print_json({{"digest", digest.string()}, {"labels", labels_json(labels)}});
    else
        context.print(cat(labels.empty() ? "" : format_labels(labels), '\n'));
}

void add_label(const Command& group, Context& context) {
    const Command command = group.add_command("label", "set labels of a blob and print all it has");
    needs_rows_only(command, context);
    auto flags = std::make_shared<LabelFlags>();
    command.add_option("digest", flags->digest, "the blob, or the start of its digest").required();
    command.add_option("label", flags->labels, "labels, key=value; key= removes one");
    add_json(command, context);
    command.runs(context, [&context, flags] { label(context, *flags); });
}

void prune_references(Context& context, bool dry) {
    std::vector<store::PrunedBlob> pruned;
    if (context.find_store() != nullptr) {
        pruned = store::prune_references(dry ? context.existing_store() : context.store(), context.name_space,
                                         dry ? store::Mode::dry_run : store::Mode::remove);
        if (!dry)
            context.collect_at_end();
    }
    Json array = Json::array();
    std::string text;
    for (const store::PrunedBlob& one : pruned) {
        array.push_back({{"digest", one.digest.string()}, {"removed", labels_json(one.removed)}});
        text += one.digest.string() + "\n";
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(text);
}

void add_prune(const Command& group, Context& context) {
    const Command prune = group.add_group("prune", "let go of what is needed no more");
    const Command command = prune.add_command("references", "let go of layers: what is unpacked stays unpacked");
    struct Flags {
        bool dry = false;
        bool async = false;
    };
    auto flags = std::make_shared<Flags>();
    command.add_flag("--dry", flags->dry, "print what would change, and change nothing");
    command.add_flag("--async", flags->async, "accepted for ctr; the collection is always waited for");
    add_json(command, context);
    command.runs(context, [&context, flags] { prune_references(context, flags->dry); });
}

} // namespace

oci::Digest resolve_digest(Context& context, const std::string& text) {
    // What can be no digest is refused whether there is a store or not.
    if (!oci::Digest::is_abbreviation(text))
        return oci::Digest::parse(text);
    return store::get_digest(context.existing_store(), context.name_space, text);
}

void add_content(const Command& group, Context& context) {
    add_list(group, context);
    add_active(group, context);
    add_get(group, context);
    add_fetch(group, context);
    add_push_object(group, context);
    add_ingest(group, context);
    add_label(group, context);
    add_content_why(group, context);
    add_remove(group, context);
    add_prune(group, context);
}

} // namespace lade::cli
