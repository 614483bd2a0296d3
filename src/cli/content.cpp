// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "store/blobs.hpp"

namespace lade::cli {

namespace {

void list(Context& context) {
    std::vector<store::Blob> all;
    if (store::Store* store = context.find_store())
        all = store::Blobs(*store, context.name_space).list();
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
        for (const store::Blob& blob : all)
            context.print(blob.digest.string() + "\n");
        return;
    }
    Table table({"DIGEST", "SIZE", "AGE", "LABELS"});
    for (const store::Blob& blob : all)
        table.add({blob.digest.string(), si_size(blob.size), age(now() - blob.created), format_labels(blob.labels)});
    context.print(table.text());
}

void active(Context& context) {
    std::vector<store::IngestStatus> all;
    if (store::Store* store = context.find_store())
        all = store::Blobs(*store, context.name_space).active();
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
    Table table({"REF", "SIZE", "AGE"});
    for (const store::IngestStatus& ingest : all)
        table.add({ingest.ref, si_size(ingest.offset), age(now() - ingest.started)});
    context.print(table.text());
}

} // namespace

void add_content(CLI::App& app, Context& context) {
    CLI::App& group = add_group(app, "content", "look at and remove blobs");

    CLI::App& ls = add_command(group, "ls", "list blobs", {"list"});
    add_quiet(ls, context, "print digests only");
    add_json(ls, context);
    ls.callback([&context] { context.command = [&context] { list(context); }; });

    CLI::App& running = add_command(group, "active", "list downloads, running or resumable");
    add_json(running, context);
    auto ignored = std::make_shared<std::string>();
    running.add_option("-t,--timeout", *ignored, "accepted for ctr")->group("");
    running.callback([&context, ignored] { context.command = [&context] { active(context); }; });

    CLI::App& get = add_command(group, "get", "write a blob to standard output");
    auto digest = std::make_shared<std::string>();
    get.add_option("digest", *digest, "the blob")->required();
    get.callback([&context, digest] {
        context.command = [&context, digest] {
            const oci::Digest wanted = oci::Digest::parse(*digest);
            const Fd file = store::Blobs(context.existing_store(), context.name_space).open(wanted);
            FileSource source(file.get(), wanted.string());
            Output output(context.stop());
            copy(source, output);
        };
    });

    add_content_why(group, context);

    CLI::App& rm = add_command(group, "rm", "remove blobs, whatever refers to them", {"remove", "del", "delete"});
    auto digests = std::make_shared<std::vector<std::string>>();
    rm.add_option("digest", *digests, "the blobs");
    rm.callback([&context, digests] {
        context.command = [&context, digests] {
            store::Blobs blobs(context.store(), context.name_space);
            context.collect_at_end();
            for_each_item(*digests, [&](const std::string& text) {
                if (blobs.remove(oci::Digest::parse(text)))
                    context.print(text + "\n");
            });
        };
    });

    add_ingest(group, context);
}

} // namespace lade::cli
