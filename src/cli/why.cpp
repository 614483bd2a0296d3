// SPDX-License-Identifier: Apache-2.0
#include "store/why.hpp"

#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/content.hpp"
#include "cli/snapshots.hpp"

namespace lade::cli {

namespace {

void print(const Context& context, const store::Why& why) {
    if (context.json) {
        Json chains = Json::array();
        for (const std::vector<store::WhyStep>& chain : why.chains) {
            Json steps = Json::array();
            for (const store::WhyStep& step : chain)
                steps.push_back({{"via", step.via}, {"type", step.type}, {"key", step.key}});
            chains.push_back(std::move(steps));
        }
        context.print_json({{"type", why.type}, {"key", why.key}, {"roots", why.roots}, {"chains", std::move(chains)}});
        return;
    }
    if (why.roots == 0) {
        context.print("nothing; the next gc takes it\n");
        return;
    }
    std::string text;
    for (const std::vector<store::WhyStep>& chain : why.chains)
        for (std::size_t i = 0; i < chain.size(); ++i)
            text += cat(std::string(2 * i, ' '), i == 0 ? "" : cat("-> ", printable(chain[i].via), ' '), chain[i].type,
                        ' ', printable(chain[i].key), '\n');
    context.print(text);
    if (why.roots > why.chains.size())
        complain(cat(why.roots - why.chains.size(), " more keep it"));
}

} // namespace

void add_content_why(const Command& group, Context& context) {
    const Command command = group.add_command("why", "print what keeps a blob");
    needs_rows_only(command, context);
    auto digest = std::make_shared<std::string>();
    command.add_option("digest", *digest, "the blob, or the start of its digest").required();
    add_json(command, context);
    command.runs(context, [&context, digest] {
        const oci::Digest wanted = resolve_digest(context, *digest);
        print(context, store::why_content(context.existing_store(), context.name_space, wanted));
    });
}

void add_snapshots_why(const Command& group, Context& context, const SnapshotterFlag& flag) {
    const Command command = group.add_command("why", "print what keeps a snapshot");
    needs_rows_only(command, context);
    auto key = std::make_shared<std::string>();
    command.add_option("key", *key, "the snapshot").required();
    add_json(command, context);
    command.runs(context, [&context, key, flag] {
        store::Snapshots snapshots = existing_snapshots(context, flag);
        print(context, store::why_snapshot(context.existing_store(), context.name_space,
                                           std::string(snapshots.kind().name()), snapshots.complete(*key)));
    });
}

} // namespace lade::cli
