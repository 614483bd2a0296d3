// SPDX-License-Identifier: Apache-2.0
#include "cli/copy_flags.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/progress_display.hpp"
#include "oci/reference.hpp"
#include "transfer/copy_stored.hpp"

namespace lade::cli {

namespace {

constexpr std::array of_both{
    "src",        "dst",     "--platform", "--all-platforms", "--with-referrers", "--uploads",
    "--progress", "--quiet", "--json",     "--local",         "--help",           "--allow-nondistributable"};
constexpr std::array of_stores{"--dest-namespace", "--to-root", "--force", "--skip-missing", "--no-link"};

template <std::size_t size>
bool is_one_of(const Option& option, const std::array<const char*, size>& names) {
    return std::ranges::any_of(names, [&](const char* name) { return option.is_named(name); });
}

std::string absolute(const std::string& path) {
    if (path.empty())
        throw Error(ErrorKind::invalid_argument, "--to-root: a directory is needed");
    return std::filesystem::absolute(path).lexically_normal().string();
}

// A whole digest is a name of its own, as other tools give it.
std::string name_there(const std::string& text, const std::string& name) {
    if (text.empty())
        return name;
    return oci::Digest::try_parse(text) ? text : oci::Reference::parse(text).string();
}

} // namespace

void StoreFlags::add(const Command& command) {
    command.add_option("--dest-namespace", dest_namespace, "copy an image of the store into this namespace")
        .type_name("NAME");
    command.add_option("--to-root", to_root, "copy an image of the store into the store there").type_name("DIR");
    command.add_flag("--force", force, "in a store: replace another image of that name");
    command.add_flag("--skip-missing", skip_missing, "in a store: without what of an index is not all here");
    command.add_flag("--no-link", no_link, "in another store: no hard links");
}

bool StoreFlags::wanted(const Command& command) const {
    const bool is_wanted = dest_namespace || to_root;
    for (const Option& option : command.given())
        if (!is_one_of(option, of_both) && is_one_of(option, of_stores) != is_wanted)
            throw Error(ErrorKind::invalid_argument, option.name(),
                        is_wanted ? ": is for copies from registry to registry"
                                  : ": is for copies out of the store, with --dest-namespace or --to-root");
    return is_wanted;
}

void StoreFlags::copy(Context& context, const std::string& source, const std::string& target,
                      const PushFlags& common) const {
    transfer::CopyStoredOptions options{.from = context.name_space,
                                        .to = dest_namespace.value_or(context.name_space),
                                        .lease = context.lease,
                                        .name = {},
                                        .platforms = common.chosen_platforms(),
                                        .all_platforms = common.all_platforms,
                                        .skip_missing = skip_missing,
                                        .referrers = common.referrers,
                                        .replace = force,
                                        .link = !no_link,
                                        .at_once = common.uploads};
    oci::validate_identifier("--dest-namespace", options.to);
    // The image row is written last, which is late for an error.
    static_cast<void>(store::time_of_change());
    const std::string root = to_root ? absolute(*to_root) : context.place();
    const store::Image image = get_image(context, source);
    options.name = name_there(target, image.name);
    store::Store& from = context.existing_store();
    store::Store& to = context.target_store(root);
    if (&from == &to && options.from == options.to && options.name == image.name)
        throw Error(ErrorKind::invalid_argument, "image ", printable(image.name), " would be copied onto itself");

    const auto start = std::chrono::steady_clock::now();
    std::optional<transfer::CopiedStored> copied;
    common.progress.show(
        context,
        [&](transfer::Progress& board) {
            copied = transfer::copy_stored(from, to, image, options, board, context.stop());
        },
        [&](const transfer::Progress& board) {
            const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
            const std::string with = options.referrers ? cat(" with ", copied->referrers, " referrers") : std::string();
            write_summary(cat("copied ", copied->name, ' ', copied->target.digest, with), look(board, elapsed));
        });
    if (context.json)
        context.print_json({{"name", copied->name},
                            {"namespace", options.to},
                            {"root", root},
                            {"target", to_json(copied->target)},
                            {"existed", copied->existed},
                            {"reflinked", copied->cloned},
                            {"linked", copied->linked},
                            {"copied", copied->copied},
                            {"referrers", copied->referrers}});
    else
        context.print(cat(copied->name, '@', copied->target.digest, '\n'));
}

} // namespace lade::cli
