// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/image_listing.hpp"
#include "cli/images.hpp"
#include "cli/snapshots.hpp"
#include "cli/table.hpp"
#include "store/blobs.hpp"
#include "store/snapshots.hpp"
#include "transfer/find_image.hpp"
#include "transfer/image_check.hpp"
#include "transfer/image_layers.hpp"

namespace lade::cli {

namespace {

constexpr std::size_t read_at_once = 4;

struct CheckFlags {
    std::vector<std::string> filters;
    std::string snapshotter;
    std::string platform;
    bool verify = false;
};

// What was found of one image, or nothing when its documents are damaged.
struct Checked {
    std::optional<transfer::ImageCheck> check;
    bool unpacked = false;

    bool complete() const { return check && check->complete(); }
    std::string word() const {
        if (!check)
            return "error";
        if (!check->available)
            return "unavailable";
        if (check->spoilt > 0)
            return "damaged";
        return check->complete() ? "complete" : "incomplete";
    }
};

std::vector<std::string> cells_of(const store::Image& image, const Checked& checked) {
    std::string status = checked.word();
    std::string size = "-";
    if (const auto& check = checked.check) {
        status += cat(" (", check->present, '/', check->available ? std::to_string(check->required) : "?", ')');
        size = cat(kib_size(check->present_size), '/', check->available ? kib_size(check->required_size) : "?");
    }
    return {image.name,
            image.target.media_type,
            image.target.digest.string(),
            status,
            size,
            checked.unpacked ? "true" : "false"};
}

Json row_of(const store::Image& image, const Checked& checked) {
    Json row{{"name", image.name},       {"target", to_json(image.target)},
             {"status", checked.word()}, {"present", nullptr},
             {"required", nullptr},      {"present_size", nullptr},
             {"required_size", nullptr}, {"unpacked", checked.unpacked}};
    if (const auto& check = checked.check) {
        row["present"] = check->present;
        row["present_size"] = check->present_size;
        if (check->available) {
            row["required"] = check->required;
            row["required_size"] = check->required_size;
        }
    }
    return row;
}

class Checker {
public:
    Checker(Context& context, store::Store& store, const std::string& snapshotter, oci::Platform platform, bool verify)
        : context_(context),
          blobs_(store, context.name_space),
          snapshots_(store, context.name_space, snapshotter),
          platform_(std::move(platform)) {
        if (verify)
            verifier_.emplace(blobs_, read_at_once, context.stop());
    }

    // Adds a row whatever is found, and then fails when the image is not whole.
    void add(const store::Image& image) {
        Checked checked;
        std::optional<Error> worst;
        try {
            checked.check = transfer::check_image(blobs_, image.target, platform_, verifier_ ? &*verifier_ : nullptr);
            worst = problem_of(*checked.check);
            if (const auto& chain_id = checked.check->chain_id)
                checked.unpacked = snapshots_.find(chain_id->string()).has_value();
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::cancelled)
                throw;
            worst = error;
        }
        rows_.push_back(row_of(image, checked));
        table_.add(cells_of(image, checked));
        if (checked.complete() && checked.unpacked)
            good_ += image.name + "\n";
        if (worst)
            throw Error(worst->kind(), "image ", printable(image.name), ": ", worst->message());
    }

    // Damage is worse than what merely is not here.
    static std::optional<Error> problem_of(const transfer::ImageCheck& check) {
        if (!check.damage.empty())
            return check.damage.front();
        if (!check.available)
            return Error(ErrorKind::not_found, "unavailable: its manifest is not here");
        if (!check.complete())
            return Error(ErrorKind::not_found, "incomplete: ", check.required - check.present, " of ", check.required,
                         " blobs are not here");
        return std::nullopt;
    }

    void print() const {
        if (context_.json)
            context_.print_json(rows_);
        else if (context_.quiet)
            context_.print(good_);
        else if (!rows_.empty())
            context_.print(table_.text());
    }

private:
    Context& context_;
    store::Blobs blobs_;
    store::Snapshots snapshots_;
    oci::Platform platform_;
    std::optional<transfer::BlobVerifier> verifier_;
    Json rows_ = Json::array();
    Table table_{{"REF", "TYPE", "DIGEST", "STATUS", "SIZE", "UNPACKED"}};
    std::string good_;
};

void check(Context& context, const CheckFlags& flags) {
    const Filter filter = parse_filter(flags.filters);
    const std::string snapshotter = chosen_snapshotter(context, flags.snapshotter);
    oci::Platform platform = flags.platform.empty() ? oci::host_platform() : oci::parse_platform(flags.platform);
    store::Store* store = context.find_store();
    if (store == nullptr) {
        if (context.json)
            context.print_json(Json::array());
        return;
    }
    std::map<std::string, store::Image> images;
    std::vector<std::string> names;
    ImageListing listing(*store, context.name_space, filter);
    for (ImageListing::Row& row : listing.rows()) {
        names.push_back(row.listed.image.name);
        images.emplace(names.back(), std::move(row.listed.image));
    }
    Checker checker(context, *store, snapshotter, std::move(platform), flags.verify);
    try {
        for_each_item(names, [&](const std::string& name) { checker.add(images.at(name)); });
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::cancelled)
            checker.print();
        throw;
    }
    checker.print();
}

void add_snapshotter(const Command& command, std::string& into, const std::string& about) {
    command.add_option("--snapshotter", into, about).envname("CONTAINERD_SNAPSHOTTER");
}

void add_check(const Command& group, Context& context) {
    const Command command = group.add_command("check", "tell which images are complete and unpacked");
    auto flags = std::make_shared<CheckFlags>();
    add_filters(command, flags->filters);
    add_snapshotter(command, flags->snapshotter, "unpacked with this snapshotter");
    command.add_option("--platform", flags->platform, "what this platform needs");
    command.add_flag("--verify", flags->verify, "read and hash all blobs, which takes its time");
    add_quiet(command, context, "print the names of complete and unpacked images only");
    add_json(command, context);
    command.runs(context, [&context, flags] { check(context, *flags); });
}

struct UsageFlags {
    std::string name;
    std::string snapshotter;
};

void usage(Context& context, const UsageFlags& flags) {
    const std::string snapshotter = chosen_snapshotter(context, flags.snapshotter);
    const store::Image image = get_image(context, flags.name);
    store::Store& store = context.existing_store();
    store::Blobs blobs(store, context.name_space);
    const auto chain = transfer::find_chain(blobs, image.target, oci::host_platform());
    store::Snapshots snapshots(store, context.name_space, snapshotter);
    if (!chain || !snapshots.find(chain->back().string()))
        throw Error(ErrorKind::not_found, "image ", printable(flags.name), " is not unpacked with ", snapshotter);
    Json array = Json::array();
    Table table({"KEY", "SIZE", "INODES"});
    for (std::string key = chain->back().string(); !key.empty(); key = snapshots.get(key).parent) {
        const DiskUsage used = snapshots.usage(key);
        array.push_back({{"key", key}, {"size", used.size}, {"inodes", used.inodes}});
        table.add({key, kib_size(used.size), std::to_string(used.inodes)});
    }
    if (context.json)
        context.print_json(array);
    else
        context.print(table.text());
}

void add_usage(const Command& group, Context& context) {
    const Command command = group.add_command("usage", "bytes and inodes of an unpacked image, layer by layer");
    auto flags = std::make_shared<UsageFlags>();
    command.add_option("ref", flags->name, "the image").required();
    add_snapshotter(command, flags->snapshotter, "of this snapshotter");
    add_json(command, context);
    command.runs(context, [&context, flags] { usage(context, *flags); });
}

} // namespace

void add_checks(const Command& group, Context& context) {
    add_check(group, context);
    add_usage(group, context);
}

} // namespace lade::cli
