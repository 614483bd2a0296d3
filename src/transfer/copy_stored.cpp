// SPDX-License-Identifier: Apache-2.0
#include "transfer/copy_stored.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/parallel.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "store/leases.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/open_blobs.hpp"
#include "transfer/stored_tree.hpp"

namespace lade::transfer {

namespace {

// All that goes, each once: what is referred to before what refers to it.
struct Load {
    std::vector<oci::Descriptor> blobs;
    std::set<oci::Digest> digests;

    void add(const ImageTree& tree) {
        for (const oci::Descriptor& blob : tree.blobs)
            add(blob);
        for (const Document& document : tree.documents)
            add(document.descriptor);
    }

private:
    void add(const oci::Descriptor& blob) {
        if (digests.insert(blob.digest).second)
            blobs.push_back(blob);
    }
};

TreeRules rules_of(store::Blobs& blobs, const store::Image& image, const CopyStoredOptions& options,
                   Progress& progress) {
    // Nothing leaves this machine's stores, so that what is not to be distributed is as good as anything.
    TreeRules rules{.skip_missing = options.skip_missing,
                    .keep_indexes = true,
                    .as_here = options.platforms.empty() && !options.all_platforms,
                    .nondistributable = true,
                    .only = std::nullopt};
    if (options.platforms.empty())
        return rules;
    const std::vector<PlatformImage> images =
        choose_images(image.target, {.platforms = options.platforms},
                      [&](const oci::Descriptor& document) { return blobs.read_document(document); });
    if (oci::media_type::is_manifest(image.target.media_type))
        if (const auto other = other_platform(images.front(), options.platforms))
            progress.warn(*other);
    rules.only.emplace();
    for (const PlatformImage& one : images)
        rules.only->insert(one.manifest_descriptor.digest);
    return rules;
}

// Snapshots stay where they are, and referrers may; a label that names one would say what is not so.
oci::Labels labels_there(const oci::Labels& labels, const std::set<oci::Digest>& load) {
    constexpr std::array of_snapshots{oci::label::gc_ref_snapshot, oci::label::gc_bref_snapshot,
                                      oci::label::gc_condition};
    oci::Labels kept;
    for (const auto& [key, value] : labels) {
        const auto begins = [&key = key](std::string_view prefix) { return key.starts_with(prefix); };
        const auto referrer = begins(oci::label::gc_ref_referrer) ? oci::Digest::try_parse(value) : std::nullopt;
        if (std::ranges::none_of(of_snapshots, begins) && (!referrer || load.contains(*referrer)))
            kept.emplace(key, value);
    }
    return kept;
}

class Counts {
public:
    void add(store::Taken taken) {
        ++(taken == store::Taken::cloned ? cloned_ : taken == store::Taken::linked ? linked_ : copied_);
    }
    void add_existing(std::size_t count) { existed_ += count; }
    void write_to(CopiedStored& copied) const {
        copied.existed = existed_;
        copied.cloned = cloned_;
        copied.linked = linked_;
        copied.copied = copied_;
    }

private:
    std::atomic<std::size_t> existed_ = 0;
    std::atomic<std::size_t> cloned_ = 0;
    std::atomic<std::size_t> linked_ = 0;
    std::atomic<std::size_t> copied_ = 0;
};

// What is carried from one store into the other, as it was when the copy began: files that stay open, and labels.
class Freight {
public:
    Freight(store::Blobs& from, const Load& load) : files_(from) {
        for (const oci::Descriptor& blob : load.blobs)
            doing([&] { return cat(kind_of(blob), ' ', blob.digest); },
                  [&] {
                      labels_.emplace(blob.digest, labels_there(from.get(blob.digest).labels, load.digests));
                      files_.hold(blob.digest);
                  });
    }

    const oci::Labels& labels(const oci::Digest& digest) const { return labels_.at(digest); }
    Fd file(const oci::Digest& digest) const { return files_.file(digest); }

private:
    OpenBlobs files_;
    std::map<oci::Digest, oci::Labels> labels_;
};

class Carrying {
public:
    // `place` is where the freight is from.
    Carrying(const Freight& freight, const std::string& place, store::Blobs& to, store::LeaseHold& lease, bool link,
             Counts& counts)
        : freight_(freight), place_(place), to_(to), lease_(lease), link_(link), counts_(counts) {}

    void carry(const oci::Descriptor& blob, Item& item, const std::stop_token& stop) {
        const oci::Labels& labels = freight_.labels(blob.digest);
        if (adopt(blob, labels, item, stop))
            return;
        // Before there is anything in the one store that others may wait for.
        const Fd file = freight_.file(blob.digest);
        // Of several processes one brings it, the others wait here.
        store::BlobWriter writer = to_.ingest(ingest_ref(blob), blob, lease_, stop);
        try {
            if (adopt(blob, labels, item, stop)) {
                writer.abandon();
                return;
            }
            item.set(Stage::copying);
            const store::Taken taken = take(writer, file, blob, item);
            if (const oci::Digest found = writer.digest(); found != blob.digest)
                throw Error(ErrorKind::data_loss, "its file in store ", printable(place_), " is damaged, with digest ",
                            found);
            writer.commit({.size = blob.size, .digest = blob.digest, .labels = labels});
            counts_.add(taken);
            item.set(Stage::copied);
        } catch (const Error&) {
            failed_.with([&](auto& writers) { writers.push_back(std::move(writer)); });
            throw;
        }
    }

    // What a killed run leaves is gone on with; of one that failed nothing is worth its room. Once nobody writes any
    // more: on a full disk a small one goes only after a large one.
    void clean_up() {
        failed_.with([](auto& writers) {
            for (std::size_t i = 0; i < 2 * writers.size(); ++i)
                attempt([&] { writers[i % writers.size()].abandon(); });
        });
    }

private:
    bool adopt(const oci::Descriptor& blob, const oci::Labels& labels, Item& item, const std::stop_token& stop) {
        if (!to_.adopt(blob, labels, lease_, stop))
            return false;
        counts_.add_existing(1);
        item.set(Stage::exists);
        return true;
    }

    store::Taken take(store::BlobWriter& writer, const Fd& file, const oci::Descriptor& blob, Item& item) {
        const store::Taken taken = writer.take(file.get(), link_, [&](std::uint64_t bytes) { item.advance(bytes); });
        if (taken != store::Taken::not_at_all)
            return taken;
        FileSource source(file.get(), blob.digest.string());
        CountingSource counted(source, item);
        writer.write_all_of(counted);
        return taken;
    }

    const Freight& freight_;
    const std::string& place_;
    store::Blobs& to_;
    store::LeaseHold& lease_;
    bool link_;
    Counts& counts_;
    Guarded<std::vector<store::BlobWriter>> failed_;
};

void carry_all(Carrying& carrying, Load& load, std::size_t at_once, Progress& progress, const std::stop_token& stop) {
    // The largest would else be the one that all wait for.
    std::ranges::stable_sort(load.blobs, std::ranges::greater{}, &oci::Descriptor::size);
    std::vector<Item*> items;
    items.reserve(load.blobs.size());
    for (const oci::Descriptor& blob : load.blobs)
        items.push_back(&progress.add(std::string(kind_of(blob)), blob.digest.string(), blob.size));
    try {
        in_parallel(load.blobs.size(), at_once, stop, [&](std::size_t i, const std::stop_token& task_stop) {
            const oci::Descriptor& blob = load.blobs[i];
            doing([&] { return cat(kind_of(blob), ' ', blob.digest); },
                  [&] { carrying.carry(blob, *items[i], task_stop); });
        });
    } catch (const Error&) {
        carrying.clean_up();
        throw;
    }
}

// Rows alone, in one transaction.
void record_all(store::Blobs& from, store::Blobs& to, store::LeaseHold& lease, const CopyStoredOptions& options,
                const Load& load, Counts& counts, const std::stop_token& stop) {
    std::vector<store::LabelledBlob> blobs;
    blobs.reserve(load.blobs.size());
    std::ranges::transform(load.blobs, std::back_inserter(blobs), [&](const oci::Descriptor& blob) {
        return store::LabelledBlob{.descriptor = blob,
                                   .labels = labels_there(from.get(blob.digest).labels, load.digests)};
    });
    to.take_over(options.from, blobs, lease, stop);
    counts.add_existing(blobs.size());
}

} // namespace

CopiedStored copy_stored(store::Store& source, store::Store& target, const store::Image& image,
                         const CopyStoredOptions& options, Progress& progress, const std::stop_token& stop) {
    return doing([&] { return cat("copy ", printable(image.name)); },
                 [&] {
                     store::Image copy = image;
                     copy.name = options.name;
                     store::Images images(target, options.to, options.lease);
                     if (!options.replace)
                         images.require_free(copy);
                     store::Blobs from(source, options.from);
                     store::Blobs to(target, options.to);
                     const ImageTree tree = collect_stored_tree(from, image.name, image.target,
                                                                rules_of(from, image, options, progress), progress);
                     CopiedStored copied{.name = copy.name, .target = copy.target};
                     Load load;
                     load.add(tree);
                     if (options.referrers)
                         for (const ImageTree& referrer : collect_stored_referrers(from, tree, true, progress)) {
                             load.add(referrer);
                             ++copied.referrers;
                         }

                     std::optional<Freight> freight;
                     if (&source != &target)
                         freight.emplace(from, load);
                     // All that is written is held by the lease until the image row holds it.
                     store::LeaseHold lease(target, options.to, options.lease);
                     Counts counts;
                     if (&source == &target) {
                         record_all(from, to, lease, options, load, counts, stop);
                     } else {
                         Carrying carrying(*freight, source.root(), to, lease, options.link, counts);
                         carry_all(carrying, load, options.at_once, progress, stop);
                     }
                     counts.write_to(copied);
                     fault::point("copy.content");
                     if (options.replace)
                         images.replace(copy);
                     else
                         images.put_same(copy, oci::to_string(oci::host_platform()),
                                         find_summary(target, options.to, copy.target));
                     return copied;
                 });
}

} // namespace lade::transfer
