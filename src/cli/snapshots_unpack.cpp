// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/snapshots.hpp"
#include "cli/unpacking.hpp"
#include "transfer/find_image.hpp"

namespace lade::cli {

namespace {

struct Flags {
    SnapshotterFlag snapshotter;
    std::string digest;
    bool ignored = false;
    UnpackFlags unpack;
};

// Of an image's target and of nothing else: ctr's rule (containerd-store.md 1.5).
store::Image get_image_of(Context& context, const std::string& digest) {
    if (!oci::Digest::is_abbreviation(digest))
        static_cast<void>(oci::Digest::parse(digest));
    std::vector<store::Image> images = transfer::find_images(context.existing_store(), context.name_space, digest);
    const auto found = std::ranges::find_if(images, [&](const store::Image& image) {
        const oci::Digest& target = image.target.digest;
        return target.string().starts_with(digest) || target.hex().starts_with(digest);
    });
    if (found == images.end())
        throw Error(ErrorKind::not_found, "manifest ", printable(digest), " not found: it is no image's target");
    return *found;
}

void unpack(Context& context, const Flags& flags) {
    const store::Image image = get_image_of(context, flags.digest);
    const std::string snapshotter = chosen_snapshotter(context, *flags.snapshotter);
    const transfer::UnpackOptions options = flags.unpack.options(context, snapshotter);
    std::string chain_id;
    doing([&] { return cat("unpack ", image.target.digest); },
          [&] {
              flags.unpack.progress.show(context, [&](transfer::Progress& progress) {
                  chain_id = transfer::unpack(context.store(), image.name, options, progress, context.stop()).string();
              });
          });
    if (context.json)
        context.print_json({{"digest", image.target.digest.string()}, {"name", image.name}, {"chain_id", chain_id}});
    else
        context.print(cat("unpacking ", image.target.digest, " (", printable(image.target.media_type), ")...done\n"));
}

} // namespace

void add_snapshot_unpack(const Command& group, Context& context, const SnapshotterFlag& flag) {
    const Command command = group.add_command("unpack", "unpack the image that a digest is the target of");
    auto flags = std::make_shared<Flags>();
    flags->snapshotter = flag;
    command.add_option("digest", flags->digest, "of its index or manifest, or the start of it").required();
    command.add_flag("--sync-fs", flags->ignored, "accepted for ctr: what is unpacked is always on disk");
    flags->unpack.add(command, context);
    add_json(command, context);
    command.runs(context, [&context, flags] { unpack(context, *flags); });
}

} // namespace lade::cli
