// SPDX-License-Identifier: Apache-2.0
#include "transfer/diff.hpp"

#include <chrono>
#include <utility>

#include "archive/compress.hpp"
#include "archive/layer_writer.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"

namespace lade::transfer {

namespace {

// Keeps open what the trees refer to.
struct OpenTrees {
    Fd lower;
    Fd upper;
    std::optional<store::Snapshots::Remapping> lower_remapping;
    std::optional<store::Snapshots::Remapping> upper_remapping;
    archive::Trees trees;
};

archive::Remapped remapped(const std::optional<store::Snapshots::Remapping>& remapping) {
    if (!remapping)
        return {};
    return {.layer = remapping->layer.get(), .undo = remapping->undo};
}

OpenTrees open_trees(store::Snapshots& snapshots, const DiffOptions& options, const std::stop_token& stop) {
    OpenTrees open;
    open.trees.share_inodes = !snapshots.kind().copies();
    const std::string parent = snapshots.get(options.upper).parent;
    const std::string lower = options.lower.value_or(parent);
    if (!lower.empty()) {
        open.lower = snapshots.open_tree(lower);
        open.trees.lower = open.lower.get();
        open.lower_remapping = snapshots.remapping(lower);
        open.trees.lower_remapped = remapped(open.lower_remapping);
    }
    open.upper_remapping = snapshots.remapping(options.upper);
    open.trees.upper_remapped = remapped(open.upper_remapping);
    if (lower == parent)
        if (auto layer = snapshots.layer_tree(options.upper)) {
            open.upper = std::move(layer->root);
            open.trees.upper = open.upper.get();
            open.trees.marks = layer->marks;
            if (archive::can_compare_layer(open.trees, stop))
                return open;
        }
    open.upper = snapshots.open_tree(options.upper);
    open.trees.upper = open.upper.get();
    open.trees.marks.clear();
    return open;
}

archive::LayerOptions layer_options() {
    const auto latest = store::source_date_epoch();
    if (!latest)
        return {};
    return {.latest = archive::EntryTime{
                .seconds = std::chrono::floor<std::chrono::seconds>(*latest).time_since_epoch().count()}};
}

} // namespace

Diff diff(store::Snapshots& snapshots, const DiffOptions& options, store::LeaseHold& lease, Sink& sink,
          Progress& progress, const std::stop_token& stop) {
    const archive::LayerOptions limits = layer_options();
    snapshots.hold(options.upper, lease);
    if (options.lower && !options.lower->empty())
        snapshots.hold(*options.lower, lease);
    const OpenTrees open = open_trees(snapshots, options, stop);
    // Last: it begins with a header of its own.
    const auto compressor = archive::compress(sink, options.media_type, options.level);
    Item& item = progress.add("diff", printable(options.upper), 0);
    item.set(Stage::writing);
    CountingSink counted(*compressor, item);
    oci::HashingSink tar(counted, oci::Algorithm::sha256);
    archive::Warnings warnings = archive::write_layer(open.trees, tar, limits, stop);
    compressor->finish();
    item.set(Stage::written);
    return {.diff_id = {tar.digest()}, .warnings = std::move(warnings)};
}

StoredDiff store_diff(store::Store& store, const std::string& name_space, store::Snapshots& snapshots,
                      const DiffOptions& options, const std::string& ref, const oci::Labels& labels,
                      store::LeaseHold& lease, Progress& progress, const std::stop_token& stop) {
    store::Blobs blobs(store, name_space);
    std::optional<Diff> made;
    const auto write = [&](Sink& sink) {
        made = diff(snapshots, options, lease, sink, progress, stop);
        oci::Labels all = labels;
        all.insert_or_assign(std::string(oci::label::uncompressed), made->diff_id.string());
        return all;
    };
    const oci::Digest digest = blobs.put(write, ref, lease, stop);
    return {.descriptor = {.media_type = options.media_type, .digest = digest, .size = blobs.get(digest).size},
            .diff = *std::move(made)};
}

} // namespace lade::transfer
