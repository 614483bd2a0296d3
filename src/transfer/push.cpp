// SPDX-License-Identifier: Apache-2.0
#include "transfer/push.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/referrer_trees.hpp"
#include "transfer/source_labels.hpp"
#include "transfer/stored_tree.hpp"

namespace lade::transfer {

namespace {

class StoredContent final : public registry::BlobContent {
public:
    StoredContent(store::Blobs& blobs, oci::Descriptor blob) : blobs_(blobs), blob_(std::move(blob)) {}
    std::unique_ptr<Source> open(std::uint64_t offset) override { return open_stored(blobs_, blob_, offset); }

private:
    store::Blobs& blobs_;
    oci::Descriptor blob_;
};

BlobOrigin stored_origin(store::Blobs& blobs, const oci::Reference& remote) {
    return {
        .open = [&blobs](const oci::Descriptor& blob, const std::stop_token&) { return stored_content(blobs, blob); },
        .mount_from =
            [&blobs, &remote](const oci::Descriptor& blob) {
                const auto row = blobs.find(blob.digest);
                return row ? nearest_source(row->labels, remote) : "";
            }};
}

// For later pushes, which may mount from there. It is no part of what was promised.
void label_pushed(store::Blobs& blobs, const Shipment& shipment, const oci::Reference& remote) {
    attempt([&] {
        std::map<oci::Digest, oci::Labels> labels;
        const auto add = [&](const ImageTree& tree) {
            for (const oci::Descriptor& blob : tree.blobs)
                labels.emplace(blob.digest, source_labels(blobs, remote, blob.digest));
            for (const Document& document : tree.documents)
                labels.emplace(document.descriptor.digest, source_labels(blobs, remote, document.descriptor.digest));
        };
        add(shipment.image);
        for (const ImageTree& referrer : shipment.referrers)
            add(referrer);
        blobs.label(labels);
    });
}

} // namespace

std::unique_ptr<registry::BlobContent> stored_content(store::Blobs& blobs, const oci::Descriptor& blob) {
    return std::make_unique<StoredContent>(blobs, blob);
}

Pushed push(store::Store& store, const std::string& name, const oci::Descriptor& target, const oci::Reference& remote,
            const PushOptions& options, Progress& progress, const std::stop_token& stop) {
    return doing(
        [&] { return cat("push ", remote.string()); },
        [&] {
            store::Blobs blobs(store, options.name_space);
            Shipment shipment{.image = collect_stored_platforms(
                                  blobs, name, target,
                                  {.platforms = options.platforms,
                                   .skip_missing = options.skip_missing,
                                   .nondistributable = options.nondistributable},
                                  progress, "--platform pushes one platform, --skip-missing pushes what is here"),
                              .referrers = {}};
            if (options.referrers)
                shipment.referrers =
                    collect_stored_referrers(blobs, shipment.image, options.nondistributable, progress);
            registry::Pusher pusher(remote, telling(options.registry, progress), options.piece);
            Pushed pushed{.name = remote.string(), .target = shipment.image.root(), .delivered = {}};
            pushed.delivered =
                deliver(pusher, shipment, remote, stored_origin(blobs, remote), options.uploads, progress, stop);
            label_pushed(blobs, shipment, remote);
            return pushed;
        });
}

Pushed push_object(store::Store& store, const oci::Descriptor& object, const oci::Reference& remote, bool tag,
                   const PushOptions& options, Progress& progress, const std::stop_token& stop) {
    // A blob has no tag, and a document only one that somebody wrote.
    const bool is_tagged = tag && remote.tag() && oci::media_type::is_document(object.media_type);
    const std::string name = is_tagged ? remote.string() : remote.repository();
    return doing([&] { return cat("push ", object.digest, " to ", name); },
                 [&] {
                     store::Blobs blobs(store, options.name_space);
                     registry::Pusher pusher(remote, telling(options.registry, progress), options.piece);
                     Item& item = progress.add(std::string(kind_of(object)), object.digest.string(), object.size);
                     registry::UploadResult result{};
                     Shipment shipment;
                     ImageTree& tree = shipment.image;
                     if (oci::media_type::is_document(object.media_type)) {
                         check_target(remote, object);
                         tree.documents.push_back({.descriptor = object, .text = blobs.read_document(object)});
                         item.set(Stage::uploading);
                         result = pusher.put_document(object, tree.documents.front().text,
                                                      is_tagged ? *remote.tag() : object.digest.string(), stop);
                     } else {
                         tree.blobs.push_back(object);
                         const BlobOrigin origin = stored_origin(blobs, remote);
                         const auto content = tracked(origin.open(object, stop), item);
                         result = pusher.upload(object, *content, origin.mount_from(object), stop);
                     }
                     set(item, result);
                     label_pushed(blobs, shipment, remote);
                     Pushed pushed{.name = name, .target = object, .delivered = {}};
                     ++(result == registry::UploadResult::uploaded  ? pushed.delivered.uploaded
                        : result == registry::UploadResult::mounted ? pushed.delivered.mounted
                                                                    : pushed.delivered.existed);
                     return pushed;
                 });
}

oci::Descriptor describe_stored(store::Store& store, const std::string& name_space, const oci::Digest& digest,
                                const std::optional<std::string>& media_type) {
    store::Blobs blobs(store, name_space);
    oci::Descriptor descriptor{.media_type = media_type.value_or("application/octet-stream"),
                               .digest = digest,
                               .size = blobs.get(digest).size};
    if (media_type || descriptor.size > oci::max_document)
        return descriptor;
    const std::string text = blobs.read_document(descriptor);
    if (!trim(text).starts_with('{'))
        return descriptor;
    attempt([&] {
        const Json document = parse_object(text, digest.string());
        const auto type = find_string(document, "mediaType");
        if (type && oci::media_type::is_document(*type))
            descriptor.media_type = *type;
        else if (!type && find_object(document, "config") != nullptr && find_array(document, "layers") != nullptr)
            descriptor.media_type = oci::media_type::oci_manifest;
        else if (!type && find_array(document, "manifests") != nullptr)
            descriptor.media_type = oci::media_type::oci_index;
    });
    return descriptor;
}

} // namespace lade::transfer
