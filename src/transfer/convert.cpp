// SPDX-License-Identifier: Apache-2.0
#include "transfer/convert.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "oci/conversion.hpp"
#include "store/images.hpp"
#include "transfer/document.hpp"
#include "transfer/stored_tree.hpp"

namespace lade::transfer {

namespace {

class Conversion {
public:
    Conversion(store::Store& store, const ConvertOptions& options, store::LeaseHold& lease, Progress& progress,
               const std::stop_token& stop)
        : store_(store),
          options_(options),
          oci_(options.oci || options.layers.form == LayerForm::zstd || options.layers.form == LayerForm::estargz),
          lease_(lease),
          progress_(progress),
          stop_(stop),
          blobs_(store, options.name_space) {}

    oci::Descriptor run(const oci::Descriptor& root) {
        CollectedTree found = collect_tree(root, stored_reader(blobs_), {.only = wanted(root)});
        if (!found.whole)
            throw Error(ErrorKind::failed_precondition,
                        "not all of it is in the store, missing: ", describe_missing(found.missing), "; \"images pull ",
                        options_.platforms.empty() ? "--all-platforms " : "", printable(options_.source),
                        "\" fetches it", options_.platforms.empty() ? ", --platform converts one platform" : "");
        if (oci::media_type::is_manifest(root.media_type) &&
            !oci::media_type::is_config(
                oci::parse_manifest(found.tree.documents.back().text, root.media_type, "manifest").config.media_type))
            throw Error(ErrorKind::invalid_argument, root.digest, " is an artifact, no image");
        for (Document& document : found.tree.documents)
            texts_.emplace(document.descriptor.digest, std::move(document.text));
        const oci::Descriptor tree = found.tree.root();
        collect(tree);
        convert_layers();
        oci::Descriptor target = root;
        const oci::Child child = convert(tree);
        target.media_type = child.media_type;
        target.digest = child.digest;
        target.size = child.size;
        return target;
    }

    std::size_t converted_layers() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            layers_, [](const auto& one) { return one.second.made->digest != one.second.layer.descriptor.digest; }));
    }

private:
    // Images with a layer in common may disagree about what it is.
    using LayerKey = std::tuple<oci::Digest, std::string, oci::Digest>;
    struct Work {
        Layer layer;
        std::optional<NewLayer> made{};
    };

    static LayerKey key_of(const Layer& layer) {
        return {layer.descriptor.digest, layer.descriptor.media_type, layer.diff_id.digest};
    }

    std::string type_of(const std::string& type) const { return oci_ ? oci::oci_type(type) : type; }

    std::optional<std::set<oci::Digest>> wanted(const oci::Descriptor& root) {
        if (options_.platforms.empty() || !oci::media_type::is_index(root.media_type))
            return std::nullopt;
        const auto read = [&](const oci::Descriptor& document) {
            if (document.digest != root.digest && !blobs_.find(document.digest))
                throw Error(ErrorKind::failed_precondition, kind_of(document), ' ', document.digest,
                            " is not in the store: its platform was not pulled");
            return blobs_.read_document(document);
        };
        std::set<oci::Digest> only;
        for (const PlatformImage& image : choose_images(root, {.platforms = options_.platforms}, read))
            only.insert(image.manifest_descriptor.digest);
        return only;
    }

    PlatformImage read_image(const oci::Descriptor& descriptor) {
        PlatformImage image{.manifest_descriptor = descriptor,
                            .manifest = oci::parse_manifest(texts_.at(descriptor.digest), descriptor.media_type,
                                                            cat("manifest ", descriptor.digest)),
                            .config = {}};
        if (image.is_image())
            image.config = oci::parse_config(blobs_.read_document(image.manifest.config),
                                             cat("config ", image.manifest.config.digest));
        return image;
    }

    oci::Index read_index(const oci::Descriptor& descriptor) {
        return oci::parse_index(texts_.at(descriptor.digest), descriptor.media_type, cat("index ", descriptor.digest));
    }

    // Some layers are not here and need not be.
    bool is_absent(const oci::Descriptor& layer) {
        return oci::media_type::is_nondistributable(layer.media_type) && !blobs_.find(layer.digest);
    }

    // The bytes of no layer matter where only documents change.
    bool looks_at_layers() const { return options_.layers.form != LayerForm::kept || oci_; }

    void collect(const oci::Descriptor& descriptor) {
        if (!seen_.insert(descriptor.digest).second)
            return;
        if (oci::media_type::is_index(descriptor.media_type)) {
            for (const oci::Descriptor& child : read_index(descriptor).manifests)
                if (!is_attestation(child) && texts_.contains(child.digest))
                    collect(child);
            return;
        }
        const PlatformImage image = read_image(descriptor);
        if (!image.is_image() || !looks_at_layers())
            return;
        for (const Layer& layer : layers_of(image))
            if (!is_absent(layer.descriptor))
                layers_.emplace(key_of(layer), Work{.layer = layer});
    }

    // The largest first, as many at the same time as there is room for.
    void convert_layers() {
        std::vector<Work*> work;
        work.reserve(layers_.size());
        for (auto& [key, one] : layers_)
            work.push_back(&one);
        std::ranges::stable_sort(work, std::ranges::greater{},
                                 [](const Work* one) { return one->layer.descriptor.size; });
        archive::Budget budget(options_.layers.limits);
        std::atomic<std::size_t> next = 0;
        TaskGroup tasks(stop_);
        const std::size_t count = std::min(layers_at_once(options_.layers), work.size());
        for (std::size_t i = 0; i < count; ++i)
            tasks.start([&](const std::stop_token& stop) {
                for (std::size_t at = next++; at < work.size(); at = next++) {
                    check_stop(stop);
                    work[at]->made = convert_layer(store_, options_.name_space, work[at]->layer, options_.layers,
                                                   budget, lease_, progress_, stop);
                }
            });
        tasks.wait();
    }

    static oci::Child unchanged(const oci::Descriptor& descriptor) {
        return {.media_type = descriptor.media_type, .digest = descriptor.digest, .size = descriptor.size};
    }

    // What stands for the document now; a new one is stored.
    oci::Child convert(const oci::Descriptor& descriptor) {
        const auto known = converted_.find(descriptor.digest);
        if (known != converted_.end())
            return known->second;
        oci::Child child = unchanged(descriptor);
        if (oci::media_type::is_index(descriptor.media_type))
            child = convert_index(descriptor);
        else if (oci::media_type::is_manifest(descriptor.media_type))
            child = convert_manifest(descriptor);
        return converted_.emplace(descriptor.digest, std::move(child)).first->second;
    }

    oci::Child put(const std::string& text, const std::string& type, const oci::Labels& labels) {
        const oci::Descriptor made = put_document(blobs_, text, type, labels, lease_, stop_);
        return unchanged(made);
    }

    oci::Child convert_index(const oci::Descriptor& descriptor) {
        const std::vector<oci::Descriptor> manifests = read_index(descriptor).manifests;
        std::vector<std::optional<oci::Child>> children(manifests.size());
        for (std::size_t i = 0; i < manifests.size(); ++i)
            if (!is_attestation(manifests[i]))
                children[i] = convert(manifests[i]);
        for (std::size_t i = 0; i < manifests.size(); ++i)
            if (is_attestation(manifests[i]) && !is_outdated(manifests[i]))
                children[i] = unchanged(manifests[i]);
        const std::string type = type_of(descriptor.media_type);
        const std::string text = oci::convert_index(texts_.at(descriptor.digest), type, children);
        return put(text, type, reference_labels(oci::parse_index(text, type, "new index")));
    }

    // It tells of an image that is another one now.
    bool is_outdated(const oci::Descriptor& attestation) {
        const auto about = attestation.annotations.find("vnd.docker.reference.digest");
        if (about == attestation.annotations.end())
            return false;
        const auto subject = oci::Digest::try_parse(about->second);
        const auto image = subject ? converted_.find(*subject) : converted_.end();
        if (image == converted_.end() || image->second.digest == *subject)
            return false;
        progress_.warn(cat("attestation ", attestation.digest, " is left out: it is about ", *subject,
                           ", which is another image now"));
        return true;
    }

    oci::Child convert_manifest(const oci::Descriptor& descriptor) {
        const PlatformImage image = read_image(descriptor);
        if (!image.is_image() || !looks_at_layers())
            return unchanged(descriptor);
        std::vector<oci::Child> layers;
        std::vector<oci::DiffId> diff_ids;
        for (const Layer& layer : layers_of(image)) {
            const auto work = layers_.find(key_of(layer));
            layers.push_back(work == layers_.end() ? absent(layer.descriptor)
                                                   : made(layer.descriptor, *work->second.made));
            diff_ids.push_back(work == layers_.end() ? layer.diff_id : work->second.made->diff_id);
        }
        const oci::Descriptor& config = image.manifest.config;
        const std::string config_text = blobs_.read_document(config);
        const std::string new_config = oci::convert_config(config_text, diff_ids);
        oci::Child config_child =
            new_config == config_text ? unchanged(config) : put(new_config, config.media_type, {});
        config_child.media_type = type_of(config.media_type);
        const std::string type = type_of(descriptor.media_type);
        const std::string text = oci::convert_manifest(texts_.at(descriptor.digest), type, config_child, layers);
        return put(text, type, reference_labels(oci::parse_manifest(text, type, "new manifest")));
    }

    oci::Child absent(const oci::Descriptor& layer) const {
        oci::Child child = unchanged(layer);
        child.media_type = type_of(layer.media_type);
        return child;
    }

    // The type says what the bytes are, whatever the old one said.
    oci::Child made(const oci::Descriptor& layer, const NewLayer& made) const {
        return {.media_type = oci::layer_type(type_of(layer.media_type), made.compression),
                .digest = made.digest,
                .size = made.size,
                .annotations = made.annotations};
    }

    store::Store& store_;
    const ConvertOptions& options_;
    const bool oci_;
    store::LeaseHold& lease_;
    Progress& progress_;
    const std::stop_token& stop_;
    store::Blobs blobs_;
    std::map<oci::Digest, std::string> texts_;
    std::set<oci::Digest> seen_;
    std::map<LayerKey, Work> layers_;
    std::map<oci::Digest, oci::Child> converted_;
};

} // namespace

ConvertedImage convert_image(store::Store& store, const ConvertOptions& options, Progress& progress,
                             const std::stop_token& stop) {
    check(options.layers);
    // Before the lease, which would make the namespace.
    if (!store::Images(store, options.name_space).find(options.source))
        throw Error(ErrorKind::not_found, "image ", printable(options.source), " not found");
    store::LeaseHold lease(store, options.name_space, options.lease);
    store::Images images(store, options.name_space, options.lease);
    const auto source = images.hold(options.source, lease);
    if (!source)
        throw Error(ErrorKind::not_found, "image ", printable(options.source), " not found");
    Conversion conversion(store, options, lease, progress, stop);
    store::Image image = *source;
    image.target = conversion.run(source->target);
    image.name = options.name;
    // It is no longer what a pull made of that.
    if (image.target.digest != source->target.digest)
        store::forget_origin(image);
    ConvertedImage converted{.target = image.target, .layers = conversion.converted_layers(), .replaced = std::nullopt};
    if (options.name == options.source) {
        images.update(image, {"target"});
        return converted;
    }
    if (const auto before = images.find(options.name); before && before->target.digest != image.target.digest)
        converted.replaced = before->target.digest;
    images.replace(image);
    return converted;
}

} // namespace lade::transfer
