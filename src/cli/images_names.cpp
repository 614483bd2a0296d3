// SPDX-License-Identifier: Apache-2.0
// What changes names and labels of images and nothing else.
#include <nlohmann/json.hpp>

#include <map>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/image_listing.hpp"
#include "cli/images.hpp"
#include "oci/reference.hpp"
#include "transfer/find_image.hpp"

namespace lade::cli {

namespace {

struct TagFlags {
    std::string source;
    std::vector<std::string> names;
    bool force = false;
    bool local = false;
    bool skip_check = false;
};

// As it is recorded. A whole digest is a name of its own, as other tools give it.
std::string new_name(const std::string& text, bool skip_check) {
    if (skip_check || oci::Digest::try_parse(text))
        return text;
    return oci::Reference::parse(text).string();
}

void create(store::Images& images, const store::Image& image) {
    try {
        images.create(image);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::already_exists)
            throw;
        throw Error(error.kind(), error.message(), "; --force replaces it");
    }
}

void tag(Context& context, const TagFlags& flags) {
    std::vector<std::string> names;
    for (const std::string& name : flags.names)
        names.push_back(new_name(name, flags.skip_check));
    const store::Image named = get_image(context, flags.source);
    store::Store& store = context.store();
    store::LeaseHold lease(store, context.name_space, context.lease);
    store::Images images(store, context.name_space, context.lease);
    const auto source = images.hold(named.name, lease);
    if (!source)
        throw Error(ErrorKind::not_found, "image ", printable(flags.source), " not found");
    Json made = Json::array();
    const auto add = [&](const std::string& name) {
        store::Image copy = *source;
        copy.name = name;
        if (flags.force)
            images.replace(copy);
        else
            create(images, copy);
        made.push_back(name);
        if (!context.json)
            context.print(name + "\n");
    };
    for_each_item(names, add);
    if (context.json)
        context.print_json(made);
}

void add_tag(const Command& group, Context& context) {
    const Command command = group.add_command("tag", "give an image further names");
    auto flags = std::make_shared<TagFlags>();
    command.add_option("source", flags->source, "the image").required();
    command.add_option("name", flags->names, "its new names").required();
    command.add_flag("--force", flags->force, "replace what has the name");
    command.add_flag("--local", flags->local, "accepted for ctr; always so here");
    command.add_flag("--skip-reference-check", flags->skip_check, "take the names as they are, references or not");
    add_json(command, context);
    command.runs(context, [&context, flags] { tag(context, *flags); });
}

struct LabelFlags {
    std::string name;
    std::vector<std::string> labels;
    bool replace_all = false;
};

void label(Context& context, const LabelFlags& flags) {
    const oci::Labels labels = parse_labels(flags.labels);
    oci::validate(labels);
    store::Image image = transfer::get_only_image(context.existing_store(), context.name_space, flags.name);
    if (!labels.empty() || flags.replace_all) {
        std::vector<std::string> paths;
        if (flags.replace_all)
            paths.emplace_back("labels");
        else
            for (const auto& [key, value] : labels)
                paths.push_back(cat("labels.", key));
        image.labels = labels;
        image = store::Images(context.store(), context.name_space, context.lease).update(image, paths);
    }
    if (context.json)
        context.print_json({{"name", image.name}, {"labels", labels_json(image.labels)}});
    else
        context.print((image.labels.empty() ? "" : format_labels(image.labels)) + "\n");
}

void add_label(const Command& group, Context& context) {
    const Command command = group.add_command("label", "set and remove labels of an image, and print them");
    auto flags = std::make_shared<LabelFlags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_option("label", flags->labels, "key=value; key= removes the key");
    command.add_flag("-r,--replace-all", flags->replace_all, "remove all other labels");
    add_json(command, context);
    command.runs(context, [&context, flags] { label(context, *flags); });
}

struct RemoveFlags {
    std::vector<std::string> names;
    bool force = false;
    bool sync = false;
};

// The names that went. Nothing to remove is no error, as ctr has it.
std::vector<std::string> remove(Context& context, const std::string& text, bool force) {
    store::Images images(context.store(), context.name_space, context.lease);
    const std::vector<store::Image> found = transfer::find_images(context.store(), context.name_space, text);
    if (found.size() > 1 && !force)
        throw Error(ErrorKind::failed_precondition, "image ", printable(text),
                    " has several names (--force removes all): ", transfer::list_names(found));
    std::vector<std::string> removed;
    for (const store::Image& image : found) {
        const bool by_name = transfer::is_named(image, text);
        // Under an ID's name there may be something else by now.
        if (images.remove(image.name, by_name ? std::nullopt : std::optional(image.target.digest)))
            removed.push_back(by_name ? text : image.name);
    }
    if (removed.empty())
        complain(cat("warning: image ", printable(text), " not found"));
    return removed;
}

void add_remove(const Command& group, Context& context) {
    const Command command =
        group.add_command("rm", "remove images, and what only they kept", {"remove", "del", "delete"});
    auto flags = std::make_shared<RemoveFlags>();
    command.add_option("ref", flags->names, "the images");
    command.add_flag("--force", flags->force, "remove all names of an image that is given by its ID");
    command.add_flag("--sync", flags->sync, "accepted for ctr; removal always waits");
    add_json(command, context);
    command.runs(context, [&context, flags] {
        context.collect_at_end();
        Json gone = Json::array();
        const auto remove_one = [&](const std::string& text) {
            const std::vector<std::string> removed = remove(context, text, flags->force);
            for (const std::string& name : removed)
                gone.push_back(name);
            if (!removed.empty() && !context.json)
                context.print(join(removed, "\n") + "\n");
        };
        for_each_item(flags->names, remove_one);
        if (context.json)
            context.print_json(gone);
    });
}

struct PruneFlags {
    std::vector<std::string> filters;
    bool all = false;
};

std::vector<std::string> remove_unused(Context& context, const Filter& filter) {
    store::Store& store = context.store();
    std::map<std::string, oci::Digest> chosen;
    ImageListing listing(store, context.name_space, filter);
    for (const ImageListing::Row& row : listing.rows())
        chosen.emplace(row.listed.image.name, row.listed.image.target.digest);
    context.collect_at_end();
    return store::Images(store, context.name_space, context.lease).remove_unused([&](const store::Image& image) {
        const auto found = chosen.find(image.name);
        return found != chosen.end() && found->second == image.target.digest;
    });
}

void prune(Context& context, const PruneFlags& flags) {
    const Filter filter = parse_filter(flags.filters);
    std::vector<std::string> removed;
    if (!flags.all)
        complain("warning: nothing removed: --all removes every image that no container uses");
    else if (context.find_store() != nullptr)
        removed = remove_unused(context, filter);
    if (context.json)
        context.print_json(removed);
    else if (!removed.empty())
        context.print(join(removed, "\n") + "\n");
}

void add_prune(const Command& group, Context& context) {
    const Command command = group.add_command("prune", "remove images that no container uses");
    auto flags = std::make_shared<PruneFlags>();
    add_filters(command, flags->filters);
    command.add_flag("--all", flags->all, "every image that no container uses");
    add_json(command, context);
    command.runs(context, [&context, flags] { prune(context, *flags); });
}

} // namespace

void add_names(const Command& group, Context& context) {
    add_tag(group, context);
    add_label(group, context);
    add_remove(group, context);
    add_prune(group, context);
}

} // namespace lade::cli
