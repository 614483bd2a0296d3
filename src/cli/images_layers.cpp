// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/table.hpp"
#include "store/blobs.hpp"
#include "transfer/find_image.hpp"
#include "transfer/image_layers.hpp"

namespace lade::cli {

namespace {

constexpr std::size_t shown_command = 45;

struct HistoryFlags {
    std::string name;
    std::string platform;
    bool whole = false;
};

Json row_of(const transfer::HistoryStep& step) {
    Json row{{"created", step.created ? Json(rfc3339(*step.created)) : Json()},
             {"created_by", step.created_by},
             {"author", step.author},
             {"comment", step.comment},
             {"empty_layer", !step.layer},
             {"size", 0},
             {"layer", nullptr},
             {"diff_id", nullptr},
             {"chain_id", nullptr}};
    if (step.layer) {
        row["size"] = step.layer->size;
        row["layer"] = to_json(*step.layer);
        row["diff_id"] = step.diff_id->string();
        row["chain_id"] = step.chain_id->string();
    }
    return row;
}

std::vector<std::string> cells_of(const transfer::HistoryStep& step, bool whole) {
    const auto show = [&](const oci::Digest& digest) { return whole ? digest.string() : digest.short_hex(); };
    std::string age_of = "-";
    if (step.created)
        age_of = whole ? rfc3339(*step.created) : cat(age(now() - *step.created), " ago");
    const std::string command = step.created_by.empty() ? "-" : printable(step.created_by);
    return {age_of,
            whole ? command : shorten(command, shown_command),
            step.layer ? kib_size(step.layer->size) : "0.0 B",
            step.layer ? show(step.layer->digest) : "empty",
            step.chain_id ? show(step.chain_id->digest) : "-",
            step.comment};
}

// The last step first, as people know it.
void history(Context& context, const HistoryFlags& flags) {
    const store::Image image = get_image(context, flags.name);
    store::Blobs blobs(context.existing_store(), context.name_space);
    std::optional<oci::Platform> platform;
    if (!flags.platform.empty())
        platform = oci::parse_platform(flags.platform);
    auto steps = doing([&] { return cat("image ", printable(flags.name)); },
                       [&] { return transfer::history_of(blobs, image.target, platform); });
    std::ranges::reverse(steps);
    Json array = Json::array();
    Table table({"CREATED", "CREATED BY", "SIZE", "LAYER", "CHAIN ID", "COMMENT"});
    for (const transfer::HistoryStep& step : steps) {
        if (context.json)
            array.push_back(row_of(step));
        else
            table.add(cells_of(step, flags.whole));
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(table.text());
}

void add_history(const Command& group, Context& context) {
    const Command command = group.add_command("history", "show what made each layer of an image, the last one first");
    needs_rows_only(command, context);
    auto flags = std::make_shared<HistoryFlags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_option("--platform", flags->platform, "of this platform");
    command.add_flag("--no-trunc", flags->whole, "whole commands, times and digests");
    add_json(command, context);
    command.runs(context, [&context, flags] { history(context, *flags); });
}

// Bottom layers first, children below them, each with the images that end there.
template <typename Visit>
void walk(const transfer::LayerTree& tree, Visit visit) {
    // A chain can be hundreds of layers long: no recursion.
    struct Node {
        oci::ChainId id;
        std::size_t level;
    };
    std::vector<Node> pending;
    const auto push = [&](const std::vector<oci::ChainId>& ids, std::size_t level) {
        for (std::size_t i = ids.size(); i-- > 0;)
            pending.push_back({.id = ids[i], .level = level});
    };
    push(tree.roots(), 0);
    while (!pending.empty()) {
        const Node node = pending.back();
        pending.pop_back();
        const transfer::LayerTree::Layer& layer = tree.layer(node.id);
        visit(layer, node.level);
        push(layer.children, node.level + 1);
    }
}

std::string text_of(const transfer::LayerTree& tree) {
    std::string text;
    walk(tree, [&](const transfer::LayerTree::Layer& layer, std::size_t level) {
        text += level == 0 ? " " : cat(std::string(2 * level, ' '), "\\_ ");
        text += cat(layer.chain_id.string(), " (", kib_size(layer.blob.size), ")");
        for (const std::string& image : layer.images)
            text += cat(' ', printable(image));
        text += '\n';
    });
    return text;
}

Json document_of(const transfer::LayerTree& tree) {
    Json layers = Json::array();
    walk(tree, [&](const transfer::LayerTree::Layer& layer, std::size_t) {
        layers.push_back({{"chain_id", layer.chain_id.string()},
                          {"parent", layer.parent ? Json(layer.parent->string()) : Json()},
                          {"layer", to_json(layer.blob)},
                          {"diff_id", layer.diff_id.string()},
                          {"images", layer.images}});
    });
    Json images = Json::array();
    for (const auto& [name, relatives] : tree.relatives())
        images.push_back({{"name", name},
                          {"chain_id", relatives.chain_id.string()},
                          {"parents", relatives.parents},
                          {"children", relatives.children}});
    return {{"layers", layers}, {"images", images}};
}

// One that cannot be read is no reason not to show the others; but whoever asks for it by name is told so.
transfer::LayerTree read_tree(store::Store& store, const std::string& name_space,
                              const std::vector<std::string>& wanted) {
    transfer::LayerTree tree;
    store::Blobs blobs(store, name_space);
    for (const store::Image& image : store::Images(store, name_space).list()) {
        const bool is_wanted = std::ranges::find(wanted, image.name) != wanted.end();
        const auto problem = [&](const std::string& why) { return cat("image ", printable(image.name), ": ", why); };
        try {
            if (!tree.add(blobs, image, oci::host_platform()) && is_wanted)
                throw Error(ErrorKind::not_found, "it has no layers, or the documents that tell of them are not here");
        } catch (const Error& error) {
            if (is_wanted || error.kind() == ErrorKind::cancelled)
                throw Error(error.kind(), problem(error.message()));
            complain("warning: " + problem(error.message()));
        }
    }
    return tree;
}

void show_tree(Context& context, const std::vector<std::string>& texts) {
    transfer::LayerTree tree;
    std::vector<std::string> names;
    names.reserve(texts.size());
    for (const std::string& text : texts)
        names.push_back(get_image(context, text).name);
    if (store::Store* store = context.find_store())
        tree = read_tree(*store, context.name_space, names);
    if (!texts.empty())
        tree.keep(names);
    if (context.json)
        context.print_json(document_of(tree));
    else
        context.print(text_of(tree));
}

void add_tree(const Command& group, Context& context) {
    const Command command = group.add_command("tree", "show which images share which layers");
    needs_rows_only(command, context);
    auto names = std::make_shared<std::vector<std::string>>();
    command.add_option("ref", *names, "images whose trees are shown; all unless given");
    add_json(command, context);
    command.runs(context, [&context, names] { show_tree(context, *names); });
}

} // namespace

void add_layers(const Command& group, Context& context) {
    add_history(group, context);
    add_tree(group, context);
}

} // namespace lade::cli
