// SPDX-License-Identifier: Apache-2.0
#include "transfer/commit_image.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/derived_image.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "transfer/document.hpp"
#include "transfer/image.hpp"
#include "transfer/image_layers.hpp"

namespace lade::transfer {

namespace {

constexpr std::string_view created_by = "lade images commit";

// What the new image is made of: the base's documents, and the snapshot that shows its layers.
struct Base {
    std::string name; // "" : none
    std::optional<oci::Digest> digest;
    oci::Documents documents;
    std::string snapshot; // "" : an empty tree
};

class Committing {
public:
    Committing(store::Store& store, const CommitImageOptions& options, store::LeaseHold& lease, Progress& progress,
               const std::stop_token& stop)
        : store_(store),
          options_(options),
          lease_(lease),
          progress_(progress),
          stop_(stop),
          blobs_(store, options.name_space),
          images_(store, options.name_space, options.lease),
          snapshots_(store, options.name_space, options.snapshotter) {}

    CommittedImage run() {
        const Base base = find_base();
        const std::string type = options_.media_type.empty()
                                     ? std::string(oci::usual_layer_type(base.documents.manifest_type))
                                     : options_.media_type;
        if (!oci::may_have_layer(base.documents.manifest_type, type))
            throw Error(ErrorKind::invalid_argument, "a layer of type ", printable(type),
                        " does not go with the base image, which is docker's");
        // Before the work: whether the changes are understood.
        const oci::Step step{.created = rfc3339(std::chrono::floor<std::chrono::seconds>(store::time_of_change())),
                             .created_by = std::string(created_by),
                             .author = options_.author,
                             .comment = options_.message,
                             .changes = options_.changes};
        static_cast<void>(oci::derive_config(base.documents.config, step, {oci::Digest::of("")}));

        StoredDiff layer =
            store_diff(store_, options_.name_space, snapshots_,
                       {.upper = options_.key, .lower = base.snapshot, .media_type = type, .level = options_.level},
                       "commit-" + random_text(12), {}, lease_, progress_, stop_);
        const std::string config = oci::derive_config(base.documents.config, step, layer.diff.diff_id);
        const oci::Descriptor config_descriptor =
            put_document(blobs_, config, base.documents.config_type, {}, lease_, stop_);
        const std::string manifest =
            derive_manifest(base.documents, config_descriptor, layer.descriptor, annotations_of(base));
        oci::Descriptor target = put_manifest(blobs_, manifest, base.documents.manifest_type, lease_, stop_);
        const store::Image image{
            .name = options_.name, .target = target, .labels = options_.labels, .created = {}, .updated = {}};
        if (options_.replace)
            images_.replace(image);
        else
            images_.create(image);
        oci::ChainId chain_id = oci::chain_ids(oci::parse_config(config, "new config").diff_ids).back();
        return {
            .target = std::move(target), .base = base.name, .chain_id = std::move(chain_id), .layer = std::move(layer)};
    }

private:
    // Those that the snapshot lies on, nearest first; the last is "", nothing.
    std::vector<std::string> below() {
        std::vector<std::string> keys;
        for (std::string key = snapshots_.get(options_.key).parent; !key.empty(); key = snapshots_.get(key).parent)
            keys.push_back(key);
        keys.emplace_back();
        return keys;
    }

    Base find_base() {
        const std::vector<std::string> keys = below();
        if (options_.from_nothing)
            return nothing();
        if (!options_.from.empty())
            return named_base(keys);
        if (keys.size() == 1)
            return nothing();
        return nearest_base(keys);
    }

    Base nothing() const {
        return {
            .name = {}, .digest = std::nullopt, .documents = oci::empty_documents(options_.platform), .snapshot = {}};
    }

    Base named_base(const std::vector<std::string>& keys) {
        const auto image = images_.hold(options_.from, lease_);
        if (!image)
            throw Error(ErrorKind::not_found, "image ", printable(options_.from), " not found");
        Base base = read(*image);
        const auto lies_on = [&](const std::string& key) { return std::ranges::find(keys, key) != keys.end(); };
        const auto chain = oci::chain_ids(oci::parse_config(base.documents.config, "config").diff_ids);
        base.snapshot = (chain.empty() ? oci::empty_chain_id() : chain.back()).string();
        if (chain.empty() && !lies_on(base.snapshot))
            base.snapshot.clear();
        if (!lies_on(base.snapshot))
            throw Error(ErrorKind::failed_precondition, "snapshot ", printable(options_.key), " does not lie on image ",
                        printable(options_.from), " of platform ", oci::to_string(options_.platform));
        return base;
    }

    // All names of one target say the same; different ones with the same layers do not.
    Base nearest_base(const std::vector<std::string>& keys) {
        std::vector<store::Image> found;
        std::size_t nearest = keys.size() - 1;
        for (const store::Image& image : images_.list()) {
            const std::string top = top_of(image);
            const auto at = static_cast<std::size_t>(std::ranges::find(keys, top) - keys.begin());
            if (top.empty() || at > nearest || at == keys.size())
                continue;
            if (at < nearest)
                found.clear();
            nearest = at;
            found.push_back(image);
        }
        if (found.empty())
            throw Error(ErrorKind::failed_precondition, "snapshot ", printable(options_.key),
                        " lies on no image's layers: give --from IMAGE, or --from scratch for all of it in one layer");
        if (std::ranges::any_of(
                found, [&](const store::Image& one) { return one.target.digest != found.front().target.digest; })) {
            std::vector<std::string> names;
            names.reserve(found.size());
            for (const store::Image& image : found)
                names.push_back(printable(image.name));
            throw Error(ErrorKind::failed_precondition, "snapshot ", printable(options_.key),
                        " lies on the layers of several images: give --from one of ", join(names, ", "));
        }
        const auto held = images_.hold(found.front().name, lease_);
        if (!held || held->target.digest != found.front().target.digest)
            throw Error(ErrorKind::unavailable, "image ", printable(found.front().name), " changes");
        Base base = read(*held);
        base.snapshot = keys[nearest];
        return base;
    }

    // "" for what is no image, or not here.
    std::string top_of(const store::Image& image) {
        std::string top;
        try {
            if (const auto chain = find_chain(blobs_, image.target, options_.platform))
                top = chain->back().string();
        } catch (const Error& error) {
            // Somebody else's image may be damaged.
            if (error.kind() == ErrorKind::cancelled)
                throw;
        }
        return top;
    }

    Base read(const store::Image& image) {
        const auto document = [&](const oci::Descriptor& descriptor) { return blobs_.read_document(descriptor); };
        const PlatformImage chosen = choose_images(image.target, {.platforms = {options_.platform}}, document).front();
        return {.name = image.name,
                .digest = chosen.manifest_descriptor.digest,
                .documents = {.config = document(chosen.manifest.config),
                              .config_type = chosen.manifest.config.media_type,
                              .manifest = document(chosen.manifest_descriptor),
                              .manifest_type = chosen.manifest_descriptor.media_type},
                .snapshot = {}};
    }

    // docker's manifests have none.
    static std::map<std::string, std::string> annotations_of(const Base& base) {
        if (!base.digest || base.documents.manifest_type != oci::media_type::oci_manifest)
            return {};
        return {{"org.opencontainers.image.base.digest", base.digest->string()},
                {"org.opencontainers.image.base.name", base.name}};
    }

    store::Store& store_;
    const CommitImageOptions& options_;
    store::LeaseHold& lease_;
    Progress& progress_;
    const std::stop_token& stop_;
    store::Blobs blobs_;
    store::Images images_;
    store::Snapshots snapshots_;
};

} // namespace

CommittedImage commit_image(store::Store& store, const CommitImageOptions& options, Progress& progress,
                            const std::stop_token& stop) {
    // Before the work, and before the lease, which would make the namespace.
    static_cast<void>(store::Snapshots(store, options.name_space, options.snapshotter).get(options.key));
    if (!options.replace && store::Images(store, options.name_space).find(options.name))
        throw Error(ErrorKind::already_exists, "image ", printable(options.name), " already exists");
    store::LeaseHold lease(store, options.name_space, options.lease);
    return Committing(store, options, lease, progress, stop).run();
}

} // namespace lade::transfer
