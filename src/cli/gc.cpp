// SPDX-License-Identifier: Apache-2.0
#include "store/gc.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"

namespace lade::cli {

namespace {

Json to_json(const std::vector<store::Garbage>& garbage) {
    Json array = Json::array();
    for (const store::Garbage& one : garbage)
        array.push_back({{"namespace", one.name_space}, {"key", one.key}});
    return array;
}

std::string seconds(store::Phases::Seconds time) {
    std::array<char, 32> text{};
    static_cast<void>(std::snprintf(text.data(), text.size(), "%.3f s", time.count()));
    return text.data();
}

void collect(Context& context, bool dry_run) {
    store::Collected collected;
    store::Store* store = context.find_store();
    if (store != nullptr) {
        store->require_writable();
        store->use_reserve();
        collected = store::collect(*store, dry_run ? store::Mode::dry_run : store::Mode::remove, context.stop());
        store->keep_reserve();
    }
    for (const std::string& line : collected.left)
        complain("warning: " + line);
    for (const store::Garbage& one : collected.missing)
        complain(cat("warning: ", printable(one.key), " of namespace ", one.name_space,
                     " is needed and its file is gone: pull the image again"));
    const store::Phases& phases = collected.phases;
    if (context.json) {
        context.print_json({{"dry_run", dry_run},
                            {"removed",
                             {{"images", to_json(collected.images)},
                              {"content", to_json(collected.content)},
                              {"snapshots", to_json(collected.snapshots)},
                              {"ingests", to_json(collected.ingests)},
                              {"leases", to_json(collected.leases)},
                              {"files", to_json(collected.files)}}},
                            {"missing", to_json(collected.missing)},
                            {"bytes", collected.bytes},
                            {"phases",
                             {{"mark", phases.mark.count()},
                              {"sweep", phases.sweep.count()},
                              {"files", phases.files.count()},
                              {"trash", phases.trash.count()}}}});
        return;
    }
    std::string text;
    const auto tell = [&](std::string_view kind, const std::vector<store::Garbage>& garbage) {
        for (const store::Garbage& one : garbage)
            text += cat(kind, ' ', one.name_space.empty() ? "" : cat(one.name_space, ' '), printable(one.key), '\n');
    };
    tell("lease", collected.leases);
    tell("ingest", collected.ingests);
    tell("image", collected.images);
    tell("snapshot", collected.snapshots);
    tell("content", collected.content);
    tell("file", collected.files);
    context.print(text);
    complain(cat(dry_run ? "would free " : "freed ", kib_size(collected.bytes), " (mark ", seconds(phases.mark),
                 ", sweep ", seconds(phases.sweep), ", files ", seconds(phases.files), ", trash ",
                 seconds(phases.trash), ')'));
}

} // namespace

void add_gc(const Command& app, Context& context) {
    const Command command = app.add_command("gc", "remove what nothing refers to");
    auto dry_run = std::make_shared<bool>(false);
    command.add_flag("--dry-run", *dry_run, "only print what would be removed");
    add_json(command, context);
    command.runs(context, [&context, dry_run] { collect(context, *dry_run); });
}

} // namespace lade::cli
