// SPDX-License-Identifier: Apache-2.0
#include "store/images.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/progress_display.hpp"
#include "cli/registry_flags.hpp"
#include "cli/table.hpp"
#include "store/blobs.hpp"
#include "store/namespaces.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/pull.hpp"
#include "transfer/unpack.hpp"

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

store::Image get_image(Context& context, const std::string& name) {
    store::Images images(context.existing_store(), context.name_space);
    for (const std::string& one : names_for(name))
        if (auto image = images.find(one))
            return *image;
    throw Error(ErrorKind::not_found, "image ", printable(name), " not found");
}

// The namespace's own choice, else overlayfs (containerd-store.md 1.1).
std::string default_snapshotter(Context& context) {
    const auto name_space = store::Namespaces(context.store()).find(context.name_space);
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

// pull

struct PullFlags {
    std::string reference;
    std::vector<std::string> platforms;
    bool all_platforms = false;
    bool no_unpack = false;
    bool print_chain_id = false;
    bool ignored = false;
    std::string snapshotter;
    std::vector<std::string> labels;
    std::size_t downloads = 4;
    std::string progress = "auto";
    RegistryFlags registry;
};

transfer::PlatformChoice choose(const std::vector<std::string>& platforms, bool all) {
    transfer::PlatformChoice choice{.platforms = {}, .all = all};
    for (const std::string& platform : platforms)
        choice.platforms.push_back(oci::parse_platform(platform));
    if (choice.platforms.empty() && !all)
        choice.platforms.push_back(oci::host_platform());
    return choice;
}

// Where a pull unpacks to: nowhere when that was asked for, or when nobody asked and this process cannot.
std::optional<std::string> unpack_target(Context& context, const PullFlags& flags) {
    if (flags.no_unpack || flags.all_platforms)
        return std::nullopt;
    const bool chosen = !flags.snapshotter.empty();
    std::string snapshotter = chosen ? flags.snapshotter : default_snapshotter(context);
    context.store().open_snapshotter(snapshotter);
    const auto reason = snapshot::unusable(snapshotter);
    if (!reason)
        return snapshotter;
    if (chosen)
        throw Error(ErrorKind::permission_denied, "snapshotter ", snapshotter, ": ", *reason,
                    "; use images unpack --to DIR");
    complain(cat("warning: not unpacked: ", *reason, "; use lade images unpack --to DIR"));
    return std::nullopt;
}

void pull(Context& context, const PullFlags& flags) {
    const oci::Reference reference = oci::Reference::parse(flags.reference);
    const ProgressMode mode = context.quiet ? ProgressMode::none : parse_progress_mode(flags.progress);
    transfer::PullOptions options{.name_space = context.name_space,
                                  .choice = choose(flags.platforms, flags.all_platforms),
                                  .snapshotter = std::nullopt,
                                  .labels = parse_labels(flags.labels),
                                  .downloads = flags.downloads,
                                  .registry = flags.registry.options(context.stop())};
    oci::validate(options.labels);
    options.snapshotter = unpack_target(context, flags);

    const auto start = std::chrono::steady_clock::now();
    transfer::Progress progress;
    transfer::Pulled pulled = [&] {
        const ProgressDisplay display(progress, mode);
        return transfer::pull(context.store(), reference, options, progress, context.stop());
    }();
    if (mode == ProgressMode::tty || mode == ProgressMode::plain) {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        const ProgressView view = look(progress, elapsed);
        write_summary(cat("pulled ", pulled.name, " ", pulled.target.digest), view);
    }
    if (context.json) {
        Json chain_ids = Json::array();
        for (const oci::ChainId& chain_id : pulled.chain_ids)
            chain_ids.push_back(chain_id.string());
        context.print_json({{"name", pulled.name}, {"target", to_json(pulled.target)}, {"chain_ids", chain_ids}});
        return;
    }
    if (context.quiet)
        context.print(pulled.name + "\n");
    if (flags.print_chain_id)
        for (const oci::ChainId& chain_id : pulled.chain_ids)
            context.print(cat("image chain ID: ", chain_id.string(), "\n"));
}

void add_pull(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "pull", "fetch an image from its registry and unpack it");
    auto flags = std::make_shared<PullFlags>();
    command.add_option("ref", flags->reference, "the image: alpine, user/app:1, host:5000/app@sha256:...")->required();
    CLI::Option* platform = add_list(command, "--platform", flags->platforms, "pull for this platform (repeatable)");
    command.add_flag("--all-platforms", flags->all_platforms, "pull all platforms, without unpacking")
        ->excludes(platform);
    command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter")
        ->envname("CONTAINERD_SNAPSHOTTER");
    command.add_flag("--no-unpack", flags->no_unpack, "fetch only");
    command.add_flag("--print-chainid", flags->print_chain_id, "print the chain ID of what was unpacked");
    add_list(command, "--label", flags->labels, "set a label of the image (repeatable)");
    command.add_option("--max-concurrent-downloads", flags->downloads, "layers fetched at the same time")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command.add_option("--progress", flags->progress, "auto, tty, plain, json or none")->capture_default_str();
    command.add_flag("--local,--sync-fs,--skip-metadata", flags->ignored, "accepted for ctr; always so here")
        ->group("");
    add_quiet(command, context, "no progress; print the image's name only");
    add_json(command, context);
    flags->registry.add(command);
    command.callback([&context, flags] { context.command = [&context, flags] { pull(context, *flags); }; });
}

// unpack

struct UnpackFlags {
    std::string name;
    std::string snapshotter;
    std::string directory;
    std::string platform;
    std::string progress = "auto";
    bool print_chain_id = false;
};

void unpack(Context& context, const UnpackFlags& flags) {
    const std::string name = get_image(context, flags.name).name;
    const ProgressMode mode = context.quiet ? ProgressMode::none : parse_progress_mode(flags.progress);
    transfer::UnpackOptions options{
        .name_space = context.name_space,
        .platform = flags.platform.empty() ? oci::host_platform() : oci::parse_platform(flags.platform),
        .snapshotter = flags.snapshotter.empty() ? default_snapshotter(context) : flags.snapshotter,
        .directory = flags.directory};
    if (options.directory.empty()) {
        context.store().open_snapshotter(options.snapshotter);
        if (const auto reason = snapshot::unusable(options.snapshotter))
            throw Error(ErrorKind::permission_denied, "snapshotter ", options.snapshotter, ": ", *reason,
                        "; use images unpack --to DIR");
    }
    transfer::Progress progress;
    const oci::ChainId chain_id =
        doing([&] { return cat("unpack ", name); },
              [&] {
                  const ProgressDisplay display(progress, mode);
                  return transfer::unpack(context.store(), name, options, progress, context.stop());
              });
    if (context.json)
        context.print_json({{"name", name}, {"chain_id", chain_id.string()}});
    else if (flags.print_chain_id)
        context.print(cat("image chain ID: ", chain_id.string(), "\n"));
}

void add_unpack(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "unpack", "unpack an image of the store");
    auto flags = std::make_shared<UnpackFlags>();
    command.add_option("ref", flags->name, "the image")->required();
    CLI::Option* snapshotter = command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter");
    snapshotter->envname("CONTAINERD_SNAPSHOTTER");
    command.add_option("--to", flags->directory, "unpack the flat root file system into this directory instead")
        ->type_name("DIR");
    command.add_option("--platform", flags->platform, "the platform to unpack");
    command.add_option("--progress", flags->progress, "auto, tty, plain, json or none")->capture_default_str();
    command.add_flag("--print-chainid", flags->print_chain_id, "print the chain ID");
    add_quiet(command, context, "no progress");
    add_json(command, context);
    command.callback([&context, flags] { context.command = [&context, flags] { unpack(context, *flags); }; });
}

// ls, rm, inspect

// What its documents tell; nothing but a warning when they cannot be read, for the other images are still to be
// listed.
std::optional<transfer::ImageSummary> find_summary(Context& context, const store::Image& image) {
    store::Blobs blobs(context.store(), context.name_space);
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
    if (context.has_store())
        all = store::Images(context.store(), context.name_space).list();
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
        bool no_gc = false;
    };
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->names, "the images");
    command.add_flag("--sync", flags->sync, "accepted for ctr; removal always waits");
    command.add_flag("--no-gc", flags->no_gc, "leave what they kept to a later gc");
    command.callback([&context, flags] {
        context.command = [&context, flags] {
            store::Images images(context.store(), context.name_space);
            for_each_item(flags->names, [&](const std::string& name) {
                const auto removed = [&](const std::string& one) { return images.remove(one); };
                if (std::ranges::any_of(names_for(name), removed))
                    context.print(name + "\n");
                else
                    complain(cat("warning: image ", printable(name), " not found"));
            });
            collect_after(context, flags->no_gc);
        };
    });
}

class Tree {
public:
    Tree(store::Blobs& blobs, bool content) : blobs_(blobs), content_(content) {}

    std::string text(const store::Image& image) {
        out_ = cat(printable(image.name), "\n│    Created: ", rfc3339(image.created),
                   "\n│    Updated: ", rfc3339(image.updated), "\n");
        for (const auto& [key, value] : image.labels)
            out_ += cat("│    Label \"", printable(key), "\": \"", printable(value), "\"\n");
        add(image.target, "", true);
        return std::move(out_);
    }

    Json json(const oci::Descriptor& descriptor) {
        Json node = to_json(descriptor);
        if (descriptor.platform)
            node["platform"] = to_string(*descriptor.platform);
        const auto blob = blobs_.find(descriptor.digest);
        node["present"] = blob.has_value();
        if (blob)
            node["labels"] = labels_json(blob->labels);
        if (blob && shows_content(descriptor))
            node["content"] = read(descriptor);
        if (const auto children = transfer::children_of(blobs_, descriptor); !children.empty()) {
            node["children"] = Json::array();
            for (const oci::Descriptor& child : children)
                node["children"].push_back(json(child));
        }
        return node;
    }

private:
    void add(const oci::Descriptor& descriptor, const std::string& indent, bool last) {
        out_ += cat(indent, last ? "└── " : "├── ", printable(descriptor.media_type), " @", descriptor.digest, " (",
                    descriptor.size, " bytes)\n");
        const std::string below = cat(indent, last ? "    " : "│   ");
        if (descriptor.platform)
            out_ += cat(below, " Platform: ", printable(to_string(*descriptor.platform)), "\n");
        const auto blob = blobs_.find(descriptor.digest);
        if (!blob) {
            out_ += cat(below, "└──  Content does not exist locally, skipping\n");
            return;
        }
        if (content_)
            add_boxes(descriptor, *blob, below);
        const auto children = transfer::children_of(blobs_, descriptor);
        for (std::size_t i = 0; i < children.size(); ++i)
            add(children[i], below, i + 1 == children.size());
    }

    bool shows_content(const oci::Descriptor& descriptor) const {
        return content_ && descriptor.media_type.ends_with("json");
    }

    Json read(const oci::Descriptor& descriptor) {
        return parse_json(blobs_.read_document(descriptor), descriptor.digest.string());
    }

    // Members as the document has them, which was found well-formed before.
    std::string in_its_order(const oci::Descriptor& descriptor) {
        static_cast<void>(read(descriptor));
        using Ordered = nlohmann::ordered_json;
        return Ordered::parse(blobs_.read_document(descriptor)).dump(3, ' ', false, Ordered::error_handler_t::replace);
    }

    // ctr's own form.
    void add_boxes(const oci::Descriptor& descriptor, const store::Blob& blob, const std::string& indent) {
        constexpr std::string_view bottom = "└───────────────────────\n";
        if (!blob.labels.empty()) {
            out_ += cat(indent, "┌────────Labels─────────\n");
            for (const auto& [key, value] : blob.labels)
                out_ += cat(indent, "│\"", printable(key), "\": \"", printable(value), "\"\n");
            out_ += cat(indent, bottom);
        }
        if (!shows_content(descriptor))
            return;
        out_ += cat(indent, "┌────────Content────────\n");
        for (const std::string& line : split(in_its_order(descriptor), '\n'))
            out_ += cat(indent, "│", printable(line), "\n");
        out_ += cat(indent, bottom);
    }

    store::Blobs& blobs_;
    bool content_;
    std::string out_;
};

void add_inspect(CLI::App& group, Context& context) {
    CLI::App& command = add_command(group, "inspect", "show what an image consists of", {"i"});
    struct Flags {
        std::string name;
        bool content = false;
    };
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->name, "the image")->required();
    command.add_flag("--content", flags->content, "show labels and the text of JSON documents too");
    add_json(command, context);
    command.callback([&context, flags] {
        context.command = [&context, flags] {
            const store::Image image = get_image(context, flags->name);
            store::Blobs blobs(context.store(), context.name_space);
            Tree tree(blobs, flags->content);
            if (!context.json) {
                context.print(tree.text(image));
                return;
            }
            Json document = to_json(image);
            document["tree"] = tree.json(image.target);
            context.print_json(document);
        };
    });
}

} // namespace

void add_images(CLI::App& app, Context& context) {
    CLI::App& group = add_group(app, "images", "pull, unpack, list and remove images", {"image", "i"});
    add_pull(group, context);
    add_unpack(group, context);
    add_list(group, context);
    add_remove(group, context);
    add_inspect(group, context);
}

} // namespace lade::cli
