// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_summary.hpp"

#include <set>

#include "base/error.hpp"

namespace lade::transfer {

namespace {

constexpr int max_index_depth = 8;
constexpr std::size_t max_manifests = 4096;

bool is_document(const oci::Descriptor& descriptor) {
    return oci::media_type::is_index(descriptor.media_type) || oci::media_type::is_manifest(descriptor.media_type);
}

bool is_known(const oci::Platform& platform) {
    return !platform.os.empty() && platform.os != "unknown" && platform.architecture != "unknown";
}

// The manifests below a target, as far as they are here, and which of them stands for it.
class Manifests {
public:
    Manifests(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& wish)
        : blobs_(blobs), single_(!oci::media_type::is_index(target.media_type)) {
        if (is_document(target) && !blobs.find(target.digest))
            throw Error(ErrorKind::not_found, "content ", target.digest, " not found");
        if (is_document(target))
            collect(target, 0);
        for (const oci::Descriptor& manifest : manifests_)
            offers_.push_back(platform_of(manifest));
        best_ = single_ ? std::optional<std::size_t>(0) : oci::best_match(wish, offers_);
        if (manifests_.empty())
            best_ = std::nullopt;
    }

    std::vector<std::string> platforms() const {
        std::set<std::string> names;
        for (const auto& platform : offers_)
            if (platform && is_known(*platform))
                names.insert(oci::to_string(oci::normalize(*platform)));
        return {names.begin(), names.end()};
    }

    // The one that was wished for.
    const oci::Descriptor* best() const { return best_ ? &manifests_[*best_] : nullptr; }

    const oci::Descriptor* first_present() {
        for (const oci::Descriptor& manifest : manifests_)
            if (!oci::is_attestation(manifest) && blobs_.find(manifest.digest))
                return &manifest;
        return nullptr;
    }

    // Something was not here that could have said more.
    bool lacks_documents() const noexcept { return lacks_documents_; }

private:
    void collect(const oci::Descriptor& descriptor, int depth) {
        if (oci::media_type::is_manifest(descriptor.media_type) && manifests_.size() < max_manifests)
            manifests_.push_back(descriptor);
        if (!oci::media_type::is_index(descriptor.media_type) || depth > max_index_depth ||
            !visited_.insert(descriptor.digest).second)
            return;
        for (const oci::Descriptor& child : children(descriptor))
            collect(child, depth + 1);
    }

    std::optional<oci::Platform> platform_of(const oci::Descriptor& manifest) {
        if (manifest.platform)
            return manifest.platform;
        const auto parts = children(manifest);
        if (parts.empty() || !oci::media_type::is_config(parts.front().media_type))
            return std::nullopt;
        if (!blobs_.find(parts.front().digest)) {
            lacks_documents_ = true;
            return std::nullopt;
        }
        return oci::parse_config(blobs_.read_document(parts.front()), "config").platform;
    }

    std::vector<oci::Descriptor> children(const oci::Descriptor& descriptor) {
        if (!blobs_.find(descriptor.digest))
            lacks_documents_ = true;
        return children_of(blobs_, descriptor);
    }

    store::Blobs& blobs_;
    bool single_;
    bool lacks_documents_ = false;
    std::vector<oci::Descriptor> manifests_;
    std::set<oci::Digest> visited_;
    std::vector<std::optional<oci::Platform>> offers_;
    std::optional<std::size_t> best_;
};

} // namespace

std::vector<oci::Descriptor> children_of(store::Blobs& blobs, const oci::Descriptor& descriptor) {
    if (!is_document(descriptor) || !blobs.find(descriptor.digest))
        return {};
    const std::string text = blobs.read_document(descriptor);
    if (oci::media_type::is_index(descriptor.media_type))
        return oci::parse_index(text, descriptor.media_type, cat("index ", descriptor.digest)).manifests;
    const oci::Manifest manifest =
        oci::parse_manifest(text, descriptor.media_type, cat("manifest ", descriptor.digest));
    std::vector<oci::Descriptor> children{manifest.config};
    children.insert(children.end(), manifest.layers.begin(), manifest.layers.end());
    return children;
}

ReadSummary summarize(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& wish) {
    Manifests manifests(blobs, target, wish);
    ReadSummary read{.summary = {.config = std::nullopt, .size = target.size, .platforms = manifests.platforms()},
                     .complete = !manifests.lacks_documents()};
    if (!is_document(target))
        return read;
    const oci::Descriptor* best = manifests.best();
    if (best != nullptr && best->digest != target.digest)
        read.summary.size += best->size;
    std::vector<oci::Descriptor> children;
    if (best != nullptr)
        children = children_of(blobs, *best);
    for (const oci::Descriptor& child : children)
        read.summary.size += child.size;
    if (children.empty()) {
        // Which one is here first changes with the next pull.
        read.complete = false;
        if (const oci::Descriptor* first = manifests.first_present())
            children = children_of(blobs, *first);
    }
    if (!children.empty())
        read.summary.config = children.front().digest;
    return read;
}

std::optional<Summary> find_summary(store::Store& store, const std::string& name_space, const oci::Descriptor& target) {
    const oci::Platform platform = oci::host_platform();
    if (auto known = store::Images(store, name_space).summary(target.digest, oci::to_string(platform)))
        return known;
    std::optional<Summary> summary;
    store::Blobs blobs(store, name_space);
    try {
        ReadSummary read = summarize(blobs, target, platform);
        if (read.complete)
            summary = std::move(read.summary);
    } catch (const Error& error) {
        // A listing will say what is wrong.
        if (error.kind() == ErrorKind::cancelled)
            throw;
    }
    return summary;
}

Summarizer::Summarizer(store::Store& store, const std::string& name_space)
    : images_(store, name_space),
      blobs_(store, name_space),
      platform_(oci::host_platform()),
      platform_name_(oci::to_string(platform_)) {}

const Summary& Summarizer::get(store::ListedImage& image) {
    if (!image.summary) {
        ReadSummary read = summarize(blobs_, image.image.target, platform_);
        if (read.complete)
            read_.emplace_back(image.image.target.digest, read.summary);
        image.summary = std::move(read.summary);
    }
    return *image.summary;
}

void Summarizer::remember() noexcept {
    images_.remember(read_, platform_name_);
    read_.clear();
}

std::optional<PlatformImage> find_platform_image(store::Blobs& blobs, const oci::Descriptor& target,
                                                 const oci::Platform& wish, Standin standin) {
    if (!is_document(target) || !blobs.find(target.digest))
        return std::nullopt;
    Manifests manifests(blobs, target, wish);
    const oci::Descriptor* chosen = manifests.best();
    if (standin == Standin::first && (chosen == nullptr || !blobs.find(chosen->digest)))
        chosen = manifests.first_present();
    if (chosen == nullptr || !blobs.find(chosen->digest))
        return std::nullopt;
    PlatformImage image{.manifest_descriptor = *chosen,
                        .manifest = oci::parse_manifest(blobs.read_document(*chosen), chosen->media_type,
                                                        cat("manifest ", chosen->digest)),
                        .config = {}};
    const oci::Descriptor& config = image.manifest.config;
    if (oci::media_type::is_config(config.media_type) && blobs.find(config.digest))
        image.config = oci::parse_config(blobs.read_document(config), cat("config ", config.digest));
    return image;
}

} // namespace lade::transfer
