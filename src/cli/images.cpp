// SPDX-License-Identifier: Apache-2.0
#include "cli/images.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/table.hpp"
#include "oci/reference.hpp"
#include "store/blobs.hpp"
#include "store/namespaces.hpp"
#include "transfer/image_summary.hpp"

namespace lade::cli {

namespace {

// What the store may know an image by. The record's own name first: names made by other tools need not be
// references.
std::vector<std::string> names_for(const std::string& name) {
    std::vector<std::string> names{name};
    if (const auto reference = oci::Reference::try_parse(name))
        names.push_back(reference->string());
    return names;
}

// What its documents tell; nothing but a warning when they cannot be read, for the other images are still to be
// listed.
std::optional<transfer::ImageSummary> find_summary(Context& context, const store::Image& image) {
    store::Blobs blobs(context.existing_store(), context.name_space);
    try {
        return transfer::summarize(blobs, image.target, oci::host_platform());
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled)
            throw;
        complain(cat("warning: image ", printable(image.name), ": ", error.message()));
        return std::nullopt;
    }
}

void list(Context& context) {
    std::vector<store::Image> all;
    if (store::Store* store = context.find_store())
        all = store::Images(*store, context.name_space).list();
    if (context.quiet && !context.json) {
        for (const store::Image& image : all)
            context.print(image.name + "\n");
        return;
    }
    Json array = Json::array();
    Table table({"REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"});
    for (const store::Image& image : all) {
        const auto summary = find_summary(context, image);
        const std::vector<std::string> platforms = summary ? summary->platforms : std::vector<std::string>{};
        table.add({image.name, image.target.media_type, image.target.digest.string(),
                   summary ? kib_size(summary->size) : "-", platforms.empty() ? "-" : join(platforms, ","),
                   format_labels(image.labels)});
        array.push_back(to_json(image));
        array.back()["size"] = summary ? Json(summary->size) : Json();
        array.back()["platforms"] = platforms;
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(table.text());
}

void add_list(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "ls", "list images", {"list"});
    add_quiet(command, context, "print names only");
    add_json(command, context);
    command.callback([&context] { context.command = [&context] { list(context); }; });
}

void add_remove(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "rm", "remove images, and what only they kept", {"remove", "del", "delete"});
    struct Flags {
        std::vector<std::string> names;
        bool sync = false;
    };
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->names, "the images");
    command.add_flag("--sync", flags->sync, "accepted for ctr; removal always waits");
    command.callback([&context, flags] {
        context.command = [&context, flags] {
            store::Images images(context.store(), context.name_space);
            context.collect_at_end();
            for_each_item(flags->names, [&](const std::string& name) {
                const auto removed = [&](const std::string& one) { return images.remove(one); };
                if (std::ranges::any_of(names_for(name), removed))
                    context.print(name + "\n");
                else
                    complain(cat("warning: image ", printable(name), " not found"));
            });
        };
    });
}

} // namespace

store::Image get_image(Context& context, const std::string& name) {
    store::Images images(context.existing_store(), context.name_space);
    for (const std::string& one : names_for(name))
        if (auto image = images.find(one))
            return *image;
    throw Error(ErrorKind::not_found, "image ", printable(name), " not found");
}

// The namespace's own choice, else overlayfs (containerd-store.md 1.1).
std::string default_snapshotter(Context& context) {
    store::Store* store = context.find_store();
    const auto name_space = store == nullptr ? std::nullopt : store::Namespaces(*store).find(context.name_space);
    if (!name_space)
        return "overlayfs";
    const auto chosen = name_space->labels.find(std::string(oci::label::default_snapshotter));
    return chosen == name_space->labels.end() ? "overlayfs" : chosen->second;
}

Json to_json(const oci::Descriptor& descriptor) {
    return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.string()}, {"size", descriptor.size}};
}

Json to_json(const store::Image& image) {
    return {{"name", image.name},
            {"target", to_json(image.target)},
            {"labels", labels_json(image.labels)},
            {"created", rfc3339(image.created)},
            {"updated", rfc3339(image.updated)}};
}

void add_images(CLI::App& app, Context& context) {
    CLI::App& group = add_group(app, "images", "pull, unpack, list and remove images", {"image", "i"});
    add_pull(group, context);
    add_unpack(group, context);
    add_list(group, context);
    add_remove(group, context);
    add_inspect(group, context);
}

} // namespace lade::cli
