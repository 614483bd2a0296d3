// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <array>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/flat_images.hpp"
#include "cli/images.hpp"
#include "cli/json_list.hpp"
#include "cli/snapshots.hpp"
#include "transfer/image_diff.hpp"

namespace lade::cli {

namespace {

using archive::FlatChange;
using archive::FlatTree;

struct Flags {
    FlatFlags flat;
    std::string first;
    std::string second;
    bool ignore_times = false;
};

struct Totals {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0; // of the files added or removed; of those that changed what they have now
};

std::vector<std::string> words_for(const archive::FlatAspects& aspects) {
    std::vector<std::string> words;
    for (const auto& [is_so, word] :
         {std::pair(aspects.type, "type"), std::pair(aspects.content, "content"), std::pair(aspects.mode, "mode"),
          std::pair(aspects.owner, "owner"), std::pair(aspects.time, "time"), std::pair(aspects.xattrs, "xattrs")})
        if (is_so)
            words.emplace_back(word);
    return words;
}

class Printer {
public:
    Printer(Context& context, const Flags& flags, const transfer::FlatPair& images)
        : context_(context), flags_(flags), images_(images), lines_(context.stop()), list_(lines_) {}

    void take(FlatChange change) {
        if (flags_.ignore_times)
            change.aspects.time = false;
        const bool is_added = change.before == FlatTree::none;
        const bool is_removed = change.after == FlatTree::none;
        if (!is_added && !is_removed && !change.aspects.any())
            return;
        const std::uint64_t before = is_added ? 0 : images_.first.tree.node(change.before).size;
        const std::uint64_t after = is_removed ? 0 : images_.second.tree.node(change.after).size;
        Totals& totals = is_added ? added_ : is_removed ? removed_ : changed_;
        ++totals.files;
        totals.bytes += is_removed ? before : after;
        const std::string path = "/" + change.path;
        const char letter = is_added ? 'A' : is_removed ? 'D' : 'C';
        if (context_.json)
            return add_json(change, path);
        if (context_.quiet) {
            lines_.add(printable(path) + "\n");
            return;
        }
        std::string size = is_added || is_removed || before == after ? kib_size(is_removed ? before : after)
                                                                     : cat(kib_size(before), " -> ", kib_size(after));
        constexpr std::size_t width = 24;
        if (size.size() < width)
            size.insert(0, width - size.size(), ' ');
        std::string line = cat(letter, ' ', size, ' ', printable(path));
        if (change.aspects.any())
            line += cat(" (", join(words_for(change.aspects), ", "), ")");
        lines_.add(line + "\n");
    }

    void finish() {
        if (context_.json)
            list_.finish();
        else
            lines_.flush();
        const auto text = [](const Totals& totals) { return cat(totals.files, " (", kib_size(totals.bytes), ')'); };
        complain(cat(text(added_), " added, ", text(removed_), " removed, ", text(changed_), " changed"));
    }

private:
    void add_json(const FlatChange& change, const std::string& path) {
        const bool is_added = change.before == FlatTree::none;
        const bool is_removed = change.after == FlatTree::none;
        Json row{{"path", path},
                 {"change", is_added     ? "added"
                            : is_removed ? "removed"
                                         : "changed"},
                 {"before", is_added ? Json() : file_json(images_.first.tree, change.before)},
                 {"after", is_removed ? Json() : file_json(images_.second.tree, change.after)}};
        if (!is_added && !is_removed)
            row["what"] = words_for(change.aspects);
        list_.add(row);
    }

    Context& context_;
    const Flags& flags_;
    const transfer::FlatPair& images_;
    Lines lines_;
    JsonList list_;
    Totals added_;
    Totals removed_;
    Totals changed_;
};

void diff(Context& context, const Flags& flags) {
    const store::Image first = get_image(context, flags.first);
    const store::Image second = get_image(context, flags.second);
    store::Blobs blobs(context.existing_store(), context.name_space);
    transfer::StoredLayers layers(blobs, flags.flat.limits.limits);
    const transfer::FlatPair images =
        transfer::flatten_images(blobs, first.target, second.target, flags.flat.chosen_platform(),
                                 flags.flat.limits.limits, layers, context.stop());
    tell_warnings(images.first.warnings);
    tell_warnings(images.second.warnings);
    Printer printer(context, flags, images);
    transfer::compare_images(
        images, layers, [&](const FlatChange& change) { printer.take(change); }, context.stop());
    printer.finish();
}

} // namespace

void add_image_diff(const Command& group, Context& context) {
    const Command command = group.add_command("diff", "tell which files two images do not have in common");
    auto flags = std::make_shared<Flags>();
    command.add_option("a", flags->first, "the image").required();
    command.add_option("b", flags->second, "the image that it is compared with").required();
    command.add_flag("--ignore-times", flags->ignore_times, "another time of modification alone is no change");
    flags->flat.add(command, context);
    add_quiet(command, context, "print paths only");
    add_json(command, context);
    command.runs(context, [&context, flags] {
        doing([&] { return cat("diff ", printable(flags->first), ' ', printable(flags->second)); },
              [&] { diff(context, *flags); });
    });
}

} // namespace lade::cli
