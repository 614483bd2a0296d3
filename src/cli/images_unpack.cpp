// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "cli/images.hpp"
#include "cli/snapshots.hpp"
#include "cli/unpacking.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string name;
    std::string snapshotter;
    std::string directory;
    bool print_chain_id = false;
    UnpackFlags unpack;
};

void unpack(Context& context, const Flags& flags) {
    const std::string name = get_image(context, flags.name).name;
    const transfer::UnpackOptions options =
        flags.unpack.options(context, chosen_snapshotter(context, flags.snapshotter), flags.directory);
    std::string chain_id;
    doing([&] { return cat("unpack ", name); },
          [&] {
              flags.unpack.progress.show(context, [&](transfer::Progress& progress) {
                  chain_id = transfer::unpack(context.store(), name, options, progress, context.stop()).string();
              });
          });
    if (context.json)
        context.print_json({{"name", name}, {"chain_id", chain_id}});
    else if (flags.print_chain_id)
        context.print(cat("image chain ID: ", chain_id, "\n"));
}

} // namespace

void add_unpack(const Command& group, Context& context) {
    const Command command = group.add_command("unpack", "unpack an image of the store");
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter")
        .envname("CONTAINERD_SNAPSHOTTER");
    command.add_option("--to", flags->directory, "unpack the flat root file system into this directory instead")
        .type_name("DIR");
    command.add_flag("--print-chainid", flags->print_chain_id, "print the chain ID");
    flags->unpack.add(command, context);
    add_json(command, context);
    command.when_chosen([&context, flags] {
        // What lies in a directory of theirs shall be theirs.
        context.needs_trees = flags->directory.empty();
        context.command = [&context, flags] { unpack(context, *flags); };
    });
}

} // namespace lade::cli
