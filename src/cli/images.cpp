// SPDX-License-Identifier: Apache-2.0
#include "cli/images.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

#include "base/text.hpp"
#include "cli/image_listing.hpp"
#include "cli/images_convert.hpp"
#include "cli/images_export.hpp"
#include "cli/table.hpp"
#include "store/image_usage.hpp"
#include "transfer/find_image.hpp"

namespace lade::cli {

namespace {

struct ListFlags {
    std::vector<std::string> filters;
    bool ids = false;
};

std::string id_of(const store::Summary* summary) {
    return summary != nullptr && summary->config ? summary->config->string() : "";
}

Json holding_json(const store::Holding& holding) {
    return {{"size", holding.size}, {"shared", holding.shared}, {"unique", holding.unique}};
}

Json row_of(const store::Image& image, const store::Summary* summary, const store::ImageUsage& usage) {
    Json row = to_json(image);
    row["content"] = holding_json(usage.content);
    row["unpacked"] = usage.unpacked ? holding_json(*usage.unpacked) : Json();
    row["disk_size"] = usage.unpacked ? Json(usage.content.size + usage.unpacked->size) : Json();
    const std::string id = id_of(summary);
    row["id"] = id.empty() ? Json() : Json(id);
    row["size"] = summary != nullptr ? Json(summary->size) : Json();
    row["platforms"] = summary != nullptr ? Json(summary->platforms) : Json::array();
    return row;
}

std::vector<std::string> cells_of(const store::Image& image, const store::Summary* summary, bool ids) {
    std::vector<std::string> cells{image.name};
    if (ids)
        cells.push_back(id_of(summary).empty() ? "-" : summary->config->short_hex());
    const bool has_platforms = summary != nullptr && !summary->platforms.empty();
    cells.insert(cells.end(), {image.target.media_type, image.target.digest.string(),
                               summary != nullptr ? kib_size(summary->size) : "-",
                               has_platforms ? join(summary->platforms, ",") : "-", format_labels(image.labels)});
    return cells;
}

void list_rows(Context& context, ImageListing& listing, bool ids) {
    if (context.json) {
        Json array = Json::array();
        const auto usage = store::image_usage(context.existing_store(), context.name_space, context.stop());
        for (ImageListing::Row& row : listing.rows()) {
            // One that came after the listing began is not in both.
            const auto found = usage.find(row.listed.image.name);
            array.push_back(row_of(row.listed.image, listing.summary(row),
                                   found == usage.end() ? store::ImageUsage{} : found->second));
        }
        context.print_json(array);
        return;
    }
    if (context.quiet) {
        std::string text;
        for (ImageListing::Row& row : listing.rows())
            if (const std::string word = ids ? id_of(listing.summary(row)) : row.listed.image.name; !word.empty())
                text += word + '\n';
        context.print(text);
        return;
    }
    std::vector<std::string> header{"REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"};
    if (ids)
        header.insert(header.begin() + 1, "ID");
    Table table(header);
    for (ImageListing::Row& row : listing.rows())
        table.add(cells_of(row.listed.image, listing.summary(row), ids));
    context.print(table.text());
}

void list(Context& context, const ListFlags& flags) {
    const Filter filter = parse_filter(flags.filters);
    store::Store* store = context.find_store();
    if (store == nullptr) {
        if (context.json)
            context.print_json(Json::array());
        else if (!context.quiet)
            context.print(Table({"REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"}).text());
        return;
    }
    ImageListing listing(*store, context.name_space, filter);
    list_rows(context, listing, flags.ids);
    listing.remember();
}

void add_list(const Command& group, Context& context) {
    const Command command = group.add_command("ls", "list images", {"list"});
    needs_rows_only(command, context);
    auto flags = std::make_shared<ListFlags>();
    add_filters(command, flags->filters);
    command.add_flag("--ids", flags->ids, "show image IDs, too; with --quiet instead of names");
    add_quiet(command, context, "print names only");
    add_json(command, context);
    command.when_chosen([&context, flags] {
        // Snapshots are measured for it.
        context.needs_trees = context.json;
        context.command = [&context, flags] { list(context, *flags); };
    });
}

} // namespace

store::Image get_image(Context& context, const std::string& name) {
    return transfer::get_image(context.existing_store(), context.name_space, name);
}

std::string key_of_place(const std::string& path) {
    std::string text = std::filesystem::absolute(path).lexically_normal().string();
    if (text.size() > 1 && text.ends_with('/'))
        text.pop_back();
    return text;
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

void add_images(const Command& group, Context& context) {
    add_pull(group, context);
    add_push(group, context);
    add_export(group, context);
    add_import(group, context);
    add_unpack(group, context);
    add_mounting(group, context);
    add_commit(group, context);
    add_convert(group, context);
    add_list(group, context);
    add_names(group, context);
    add_inspect(group, context);
    add_checks(group, context);
    add_layers(group, context);
    add_image_diff(group, context);
    add_files(group, context);
    add_export_rootfs(group, context);
    add_referrers(group, context);
}

} // namespace lade::cli
