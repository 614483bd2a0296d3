// SPDX-License-Identifier: Apache-2.0
#include "transfer/unpack.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <map>
#include <numeric>
#include <thread>

#include "archive/applier.hpp"
#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/files.hpp"
#include "base/privilege.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "transfer/fetch.hpp"
#include "transfer/read_layer.hpp"
#include "transfer/stored_image.hpp"

namespace lade::transfer {

namespace {

using Extraction = store::Snapshots::Extraction;

// What only more privilege could make.
struct LeftOut {
    std::atomic<std::uint64_t> owners = 0;
    std::atomic<std::uint64_t> devices = 0;

    void warn(Progress& progress) const {
        if (owners > 0)
            progress.warn(cat("without more privilege the owners of ", owners, " entries stay yours"));
        if (devices > 0)
            progress.warn(cat("without more privilege ", devices, " devices are left out"));
    }
};

// The unpacking of one image.
struct Work {
    const OpenLayer& open;
    Progress& progress;
    archive::Budget& budget;
    LeftOut& left_out;
};

// One pass: compressed bytes -> decoder -> diff ID -> tar -> files. Verified on return.
archive::Applied apply_layer(const Work& work, const Layer& layer, Item& item, int root,
                             const archive::ApplyOptions& options, const std::stop_token& stop) {
    return doing([&] { return cat("unpack layer ", layer.descriptor.digest); },
                 [&] {
                     const std::unique_ptr<Source> compressed = work.open(layer.descriptor, stop);
                     item.set_offset(0);
                     item.set(Stage::extracting);
                     CountingSource counted(*compressed, item);
                     archive::Applied applied =
                         read_layer(layer, counted, work.budget.limits().ratio, stop,
                                    [&](Source& tar) { return archive::apply(tar, root, options, work.budget, stop); });
                     for (const std::string& warning : applied.warnings)
                         work.progress.warn(warning);
                     if (applied.unsaid_warnings > 0)
                         work.progress.warn(cat("layer ", layer.descriptor.digest, ": ", applied.unsaid_warnings,
                                                " more warnings like these"));
                     work.left_out.owners += applied.skipped_owners;
                     work.left_out.devices += applied.skipped_devices;
                     item.set(Stage::extracted);
                     return applied;
                 });
}

Item& add_item(Progress& progress, const Layer& layer) {
    return progress.add("unpack", layer.descriptor.digest.string(), layer.descriptor.size);
}

// Layers that overlayfs stacks: each directory holds one layer alone, so all are made at the same time. What
// a layer leaves open (owners of directories it only passes through, links into layers below) is settled
// afterwards, bottom first.
class StackedLayers {
public:
    // An image without layers has one extraction all the same: an empty root.
    StackedLayers(store::Snapshots& snapshots, const Work& work, const std::vector<Layer>& layers,
                  std::vector<Extraction> extractions, std::vector<snapshot::Id> parents)
        : snapshots_(snapshots),
          work_(work),
          layers_(layers),
          extractions_(std::move(extractions)),
          parents_(std::move(parents)) {
        for (const Layer& layer : layers_)
            items_.push_back(&add_item(work_.progress, layer));
    }

    void make(const std::stop_token& stop) {
        apply_all(stop);
        fault::point("unpack.applied");
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            settle(i, stop);
            parents_.insert(parents_.begin(), extractions_[i].stack.id);
        }
    }

private:
    void apply_all(const std::stop_token& stop) {
        // The largest first, so that no core is left alone with it at the end.
        std::vector<std::size_t> order(layers_.size());
        std::iota(order.begin(), order.end(), 0);
        std::ranges::stable_sort(order, std::ranges::greater{},
                                 [&](std::size_t i) { return layers_[i].descriptor.size; });
        applied_.resize(order.size());
        std::atomic<std::size_t> next = 0;
        TaskGroup tasks(stop);
        const std::size_t workers =
            std::min<std::size_t>(order.size(), std::max(4U, std::thread::hardware_concurrency()));
        for (std::size_t worker = 0; worker < workers; ++worker)
            tasks.start([&](const std::stop_token& task_stop) {
                for (std::size_t n = next++; n < order.size(); n = next++)
                    apply_one(order[n], task_stop);
            });
        tasks.wait();
    }

    void apply_one(std::size_t i, const std::stop_token& stop) {
        const Fd root = snapshots_.kind().tree(extractions_[i].stack.id);
        applied_[i] = apply_layer(work_, layers_[i], *items_[i], root.get(),
                                  {.whiteouts = archive::Whiteouts::overlay, .privilege = privilege_}, stop);
    }

    void settle(std::size_t i, const std::stop_token& stop) {
        if (!applied_[i].needs_lower) {
            const archive::Applied& applied = applied_[i];
            const bool alone = applied.implied.empty() && applied.passed_through.empty() && applied.whiteouts.empty();
            const std::vector<int> lowers = alone ? std::vector<int>{} : open_parents();
            if (archive::settle(snapshots_.kind().tree(extractions_[i].stack.id).get(), applied, lowers, privilege_))
                return;
        }
        // This layer cannot be made without seeing those below: the kernel shows it all of them.
        Extraction& extraction = extractions_[i];
        extraction.stack.parents = parents_;
        snapshots_.reset(extraction, stop);
        const Fd root = snapshots_.open_tree(extraction.stack);
        apply_layer(work_, layers_[i], *items_[i], root.get(),
                    {.whiteouts = archive::Whiteouts::plain, .privilege = privilege_}, stop);
    }

    // Nearest first. Each is opened once: it may have to be mounted for that.
    std::vector<int> open_parents() {
        std::vector<int> lowers;
        for (const snapshot::Id parent : parents_) {
            auto found = trees_.find(parent);
            if (found == trees_.end())
                found = trees_.emplace(parent, snapshots_.kind().layer(parent)).first;
            lowers.push_back(found->second.get());
        }
        return lowers;
    }

    store::Snapshots& snapshots_;
    Work work_;
    const std::vector<Layer>& layers_;
    std::vector<Extraction> extractions_;
    std::vector<snapshot::Id> parents_; // nearest first
    std::map<snapshot::Id, Fd> trees_;
    std::vector<Item*> items_;
    std::vector<archive::Applied> applied_;
    Privilege privilege_ = privilege();
};

// Different images get different locks; that two images share a lock by chance costs a wait, nothing else.
std::uint64_t lock_slot(const std::string& snapshotter, const oci::ChainId& chain) {
    const oci::Digest digest = oci::Digest::of(cat(snapshotter, ' ', chain.string()));
    std::uint64_t slot = 0;
    std::from_chars(digest.hex().data(), digest.hex().data() + 16, slot, 16);
    return slot;
}

// An image without layers is one snapshot all the same: an empty root.
std::vector<oci::ChainId> chain_of(const PlatformImage& image) {
    std::vector<oci::ChainId> chain = oci::chain_ids(image.config.diff_ids);
    if (chain.empty())
        chain.push_back(oci::empty_chain_id());
    return chain;
}

} // namespace

std::size_t hold_unpacked(const Destination& destination, const PlatformImage& image) {
    return store::Snapshots(destination.store, destination.name_space, destination.snapshotter)
        .hold(oci::chain_ids(image.config.diff_ids), destination.lease);
}

oci::ChainId unpack_image(const Destination& destination, const PlatformImage& image, const OpenLayer& open,
                          const std::stop_token& stop) {
    const std::vector<Layer> layers = layers_of(image);
    const std::vector<oci::ChainId> chain = chain_of(image);
    const oci::ChainId& top = chain.back();
    store::Snapshots snapshots(destination.store, destination.name_space, destination.snapshotter);
    archive::Budget budget(destination.limits);
    LeftOut left_out;
    const Work work{.open = open, .progress = destination.progress, .budget = budget, .left_out = left_out};

    const RangeLock unpacking = destination.store.unpack_lock(lock_slot(destination.snapshotter, top), stop);
    const std::size_t present = snapshots.hold(chain, destination.lease);
    const std::string parent = present == 0 ? "" : chain[present - 1].string();
    std::vector<snapshot::Id> below = snapshots.parents(parent);
    if (present > 0)
        below.insert(below.begin(), snapshots.get(parent).id);

    std::vector<Extraction> extractions;
    const bool stacked = snapshots.kind().form() == snapshot::TreeForm::layer;
    const std::vector<Layer> missing(layers.begin() + static_cast<std::ptrdiff_t>(std::min(present, layers.size())),
                                     layers.end());
    try {
        for (std::size_t i = present; i < chain.size(); ++i) {
            extractions.push_back(
                snapshots.prepare(chain[i], stacked ? std::vector<snapshot::Id>{} : below, destination.lease, stop));
            if (stacked || layers.empty())
                continue;
            below.insert(below.begin(), extractions.back().stack.id);
            apply_layer(work, layers[i], add_item(destination.progress, layers[i]),
                        snapshots.kind().tree(below.front()).get(), {.privilege = privilege()}, stop);
        }
        if (stacked)
            StackedLayers(snapshots, work, missing, extractions, below).make(stop);
    } catch (const Error&) {
        snapshots.discard(extractions);
        throw;
    }
    snapshots.commit(extractions, parent, destination.lease, stop);
    left_out.warn(destination.progress);
    return top;
}

void label_unpacked(const Destination& destination, const PlatformImage& image, const oci::ChainId& top) {
    fault::point("unpack.unlabelled");
    std::map<oci::Digest, oci::Labels> labels;
    for (const Layer& layer : layers_of(image))
        if (layer.descriptor.digest != layer.diff_id.digest)
            labels[layer.descriptor.digest] = {{std::string(oci::label::uncompressed), layer.diff_id.string()}};
    labels[image.manifest.config.digest] = {{cat(oci::label::gc_ref_snapshot, destination.snapshotter), top.string()}};
    store::Blobs(destination.store, destination.name_space).label(labels);
}

void unpack_to_directory(const PlatformImage& image, const std::string& directory, const Limits& limits,
                         const OpenLayer& open, Progress& progress, const std::stop_token& stop) {
    const std::vector<Layer> layers = layers_of(image);
    const bool made = ::mkdir(directory.c_str(), 0755) == 0;
    if (!made && errno != EEXIST)
        throw_errno(errno, "create directory ", directory);
    const Fd root = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    if (!list_directory(root.get(), ".").empty())
        throw Error(ErrorKind::failed_precondition, "directory ", directory, " is not empty");
    // For an image that says nothing of its root.
    set_epoch(root.get(), ".");
    archive::Budget budget(limits);
    LeftOut left_out;
    const Work work{.open = open, .progress = progress, .budget = budget, .left_out = left_out};
    try {
        for (const Layer& layer : layers)
            apply_layer(work, layer, add_item(progress, layer), root.get(), {.privilege = privilege()}, stop);
    } catch (const Error&) {
        for (const std::string& name : list_directory(root.get(), "."))
            attempt([&] { remove_tree(root.get(), name); });
        if (made)
            ::rmdir(directory.c_str());
        throw;
    }
    left_out.warn(progress);
}

Unpacked unpack_held(store::Store& store, const std::string& name, const UnpackOptions& options,
                     store::LeaseHold& lease, Progress& progress, const std::stop_token& stop) {
    const auto image = store::Images(store, options.name_space).hold(name, lease);
    if (!image)
        throw Error(ErrorKind::not_found, "image ", printable(name), " not found");
    store::Blobs blobs(store, options.name_space);
    PlatformImage chosen = get_stored_image(blobs, image->target, options.platform);
    const OpenLayer open = [&](const oci::Descriptor& layer, const std::stop_token&) {
        return open_stored(blobs, layer);
    };
    if (!options.directory.empty()) {
        unpack_to_directory(chosen, options.directory, options.limits, open, progress, stop);
        oci::ChainId top = chain_of(chosen).back();
        return {.image = std::move(chosen), .top = std::move(top)};
    }
    const Destination destination{.store = store,
                                  .name_space = options.name_space,
                                  .snapshotter = options.snapshotter,
                                  .lease = lease,
                                  .limits = options.limits,
                                  .progress = progress};
    oci::ChainId top = unpack_image(destination, chosen, open, stop);
    label_unpacked(destination, chosen, top);
    return {.image = std::move(chosen), .top = std::move(top)};
}

oci::ChainId unpack(store::Store& store, const std::string& name, const UnpackOptions& options, Progress& progress,
                    const std::stop_token& stop) {
    // Before the lease, which would make the namespace.
    if (!store::Images(store, options.name_space).find(name))
        throw Error(ErrorKind::not_found, "image ", printable(name), " not found");
    store::LeaseHold lease(store, options.name_space, options.lease);
    return unpack_held(store, name, options, lease, progress, stop).top;
}

} // namespace lade::transfer
