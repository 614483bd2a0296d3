// SPDX-License-Identifier: Apache-2.0
#include "transfer/delivery.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/parallel.hpp"

namespace lade::transfer {

namespace {

using registry::UploadResult;

class TrackedSource final : public Source {
public:
    TrackedSource(std::unique_ptr<Source> inner, Item& item) : inner_(std::move(inner)), counted_(*inner_, item) {}
    std::size_t read(std::span<std::byte> into) override { return counted_.read(into); }

private:
    std::unique_ptr<Source> inner_;
    CountingSource counted_;
};

class TrackedContent final : public registry::BlobContent {
public:
    TrackedContent(std::unique_ptr<BlobContent> inner, Item& item) : inner_(std::move(inner)), item_(item) {}
    std::unique_ptr<Source> open(std::uint64_t offset) override {
        item_.set(Stage::uploading);
        item_.set_offset(offset);
        return std::make_unique<TrackedSource>(inner_->open(offset), item_);
    }

private:
    std::unique_ptr<BlobContent> inner_;
    Item& item_;
};

class Counts {
public:
    void add(UploadResult result) {
        ++(result == UploadResult::uploaded ? uploaded_ : result == UploadResult::mounted ? mounted_ : existed_);
    }
    Delivered sum() const { return {.uploaded = uploaded_, .mounted = mounted_, .existed = existed_, .referrers = 0}; }

private:
    std::atomic<std::size_t> uploaded_ = 0;
    std::atomic<std::size_t> mounted_ = 0;
    std::atomic<std::size_t> existed_ = 0;
};

UploadResult upload(registry::Pusher& pusher, const BlobOrigin& origin, const oci::Descriptor& blob, Item& item,
                    const std::stop_token& stop) {
    for (;;)
        try {
            const auto content = tracked(origin.open(blob, stop), item);
            return pusher.upload(blob, *content, origin.mount_from(blob), stop);
        } catch (const registry::WrongContent& wrong) {
            if (!origin.recover)
                throw;
            origin.recover(blob, wrong);
        }
}

Item& add_item(Progress& progress, const oci::Descriptor& descriptor) {
    return progress.add(std::string(kind_of(descriptor)), descriptor.digest.string(), descriptor.size);
}

} // namespace

std::unique_ptr<registry::BlobContent> tracked(std::unique_ptr<registry::BlobContent> content, Item& item) {
    return std::make_unique<TrackedContent>(std::move(content), item);
}

void set(Item& item, UploadResult result) {
    if (result == UploadResult::uploaded)
        item.set_offset(item.total());
    item.set(result == UploadResult::uploaded  ? Stage::uploaded
             : result == UploadResult::mounted ? Stage::mounted
                                               : Stage::exists);
}

registry::Options telling(registry::Options options, Progress& progress) {
    options.warn = [&progress](const std::string& text) { progress.warn(text); };
    return options;
}

void check_target(const oci::Reference& target, const oci::Descriptor& root) {
    if (target.digest() && *target.digest() != root.digest)
        throw Error(ErrorKind::invalid_argument, "the image has digest ", root.digest, ", the reference says ",
                    *target.digest());
}

Delivered deliver(registry::Pusher& pusher, const Shipment& shipment, const oci::Reference& target,
                  const BlobOrigin& origin, std::size_t at_once, Progress& progress, const std::stop_token& stop) {
    const ImageTree& tree = shipment.image;
    check_target(target, tree.root());
    Counts counts;
    // What several of them have is sent once.
    std::set<oci::Digest> known;
    std::vector<std::pair<const oci::Descriptor*, Item*>> blobs;
    const auto add_blobs = [&](const ImageTree& one) {
        for (const oci::Descriptor& blob : one.blobs)
            if (known.insert(blob.digest).second)
                blobs.emplace_back(&blob, &add_item(progress, blob));
    };
    add_blobs(tree);
    for (const ImageTree& referrer : shipment.referrers)
        add_blobs(referrer);

    // The largest would else be the one that all wait for.
    std::ranges::stable_sort(blobs, std::ranges::greater{}, [](const auto& one) { return one.first->size; });
    in_parallel(blobs.size(), at_once, stop, [&](std::size_t i, const std::stop_token& task_stop) {
        // clang 14 does not let a lambda capture a structured binding.
        const oci::Descriptor& blob = *blobs[i].first;
        Item& item = *blobs[i].second;
        doing([&] { return cat("push ", kind_of(blob), ' ', blob.digest); },
              [&] {
                  const UploadResult result = upload(pusher, origin, blob, item, task_stop);
                  set(item, result);
                  counts.add(result);
              });
    });

    using Put = std::function<UploadResult(const Document&, const std::stop_token&)>;
    const auto put_one = [&](const Document& document, Item& item, const Put& put, const std::stop_token& task_stop) {
        doing([&] { return cat("push ", kind_of(document.descriptor), ' ', document.descriptor.digest); },
              [&] {
                  item.set(Stage::uploading);
                  const UploadResult result = put(document, task_stop);
                  set(item, result);
                  counts.add(result);
              });
    };
    const Put put_child = [&](const Document& document, const std::stop_token& task_stop) {
        return pusher.put_document(document.descriptor, document.text, document.descriptor.digest.string(), task_stop);
    };
    // Manifests refer to blobs alone and may go in any order; indexes wait for what is in them, the root for all.
    const auto put_tree = [&](const ImageTree& one, const Put& put_root) {
        std::vector<std::pair<const Document*, Item*>> manifests;
        std::vector<std::pair<const Document*, Item*>> rest;
        for (const Document& document : one.documents) {
            const bool early =
                oci::media_type::is_manifest(document.descriptor.media_type) && &document != &one.documents.back();
            (early ? manifests : rest).emplace_back(&document, &add_item(progress, document.descriptor));
        }
        in_parallel(manifests.size(), at_once, stop, [&](std::size_t i, const std::stop_token& task_stop) {
            put_one(*manifests[i].first, *manifests[i].second, put_child, task_stop);
        });
        for (const auto& [document, item] : rest)
            put_one(*document, *item, document == &one.documents.back() ? put_root : put_child, stop);
    };
    put_tree(tree, [&](const Document& root, const std::stop_token& task_stop) {
        const std::string name = target.tag() ? *target.tag() : root.descriptor.digest.string();
        return pusher.put_document(root.descriptor, root.text, name, task_stop);
    });
    for (const ImageTree& referrer : shipment.referrers)
        put_tree(referrer, put_child);
    Delivered delivered = counts.sum();
    delivered.referrers = shipment.referrers.size();
    return delivered;
}

} // namespace lade::transfer
