// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/layout.hpp"
#include "oci/reference.hpp"
#include "oci/referrers.hpp"
#include "transfer/archive_contents.hpp"
#include "transfer/runnable_image.hpp"
#include "transfer/stored_tree.hpp"

namespace lade::transfer {

namespace {

// The order of their parts in an archive.
enum class Part { document, config, other };

Part part_of(const oci::Descriptor& descriptor) {
    if (oci::media_type::is_document(descriptor.media_type))
        return Part::document;
    return oci::media_type::is_config(descriptor.media_type) ? Part::config : Part::other;
}

class Builder {
public:
    Builder(store::Blobs& blobs, OpenBlobs& held, const ContentsOptions& options, Progress& progress)
        : blobs_(blobs), held_(held), options_(options), progress_(progress) {}

    void add(const store::Image& image) {
        auto known = targets_.find(image.target.digest);
        if (known == targets_.end())
            known = targets_.emplace(image.target.digest, collect(image)).first;
        Target& target = known->second;
        contents_.images.push_back({.name = image.name, .target = target.root});
        contents_.index.push_back(list(image, target.root));
        auto name = oci::docker_name(image.name);
        if (target.runnable && name)
            target.tags.push_back(std::move(*name));
    }

    ArchiveContents take() {
        for (auto& [digest, referrer] : referrers_)
            contents_.index.push_back(std::move(referrer));
        for (auto& [digest, target] : targets_)
            add_docker(target);
        contents_.files.reserve(files_.size());
        for (auto& [key, file] : files_)
            contents_.files.push_back(std::move(file));
        contents_.left_out = left_out_.size();
        return std::move(contents_);
    }

private:
    // What is left of an image is not what the digest in its name says.
    oci::Descriptor list(const store::Image& image, const oci::Descriptor& root) {
        if (store::means_target({.name = image.name, .target = root, .labels = image.labels}))
            return oci::named_image(root, image.name);
        const auto reference = oci::Reference::try_parse(image.name);
        const bool has_tag = reference && reference->tag();
        const std::string name = has_tag ? cat(reference->repository(), ':', *reference->tag()) : "";
        progress_.warn(cat("image ", printable(image.name), " is ", root.digest, " in the archive, where it is called ",
                           has_tag ? name : "nothing"));
        return has_tag ? oci::named_image(root, name)
                       : oci::Descriptor{.media_type = root.media_type, .digest = root.digest, .size = root.size};
    }

    struct Target {
        oci::Descriptor root;
        std::optional<oci::Manifest> runnable; // for manifest.json
        std::vector<std::string> tags;
    };

    Target collect(const store::Image& image) {
        const StoredTreeOptions wanted{.platforms = options_.platforms,
                                       .skip_missing = options_.platforms.empty() && !options_.all_platforms,
                                       .keep_indexes = options_.keep_missing,
                                       .nondistributable = options_.nondistributable};
        const ImageTree tree = collect_stored_platforms(blobs_, image.name, image.target, wanted, progress_,
                                                        "--platform exports one platform");
        Target target{.root = tree.root(), .runnable = std::nullopt, .tags = {}};
        if (options_.docker_manifest) {
            std::vector<PlatformImage> images = runnable_images(blobs_, tree);
            if (!images.empty())
                target.runnable = std::move(images[best_image(images, options_.platforms).value_or(0)].manifest);
        }
        add_files(tree);
        if (options_.referrers)
            add_referrers(tree);
        return target;
    }

    void add_files(const ImageTree& tree) {
        for (const oci::Descriptor& blob : tree.blobs)
            if (options_.have.contains(blob.digest))
                left_out_.insert(blob.digest);
            else
                add_file(blob, {});
        // Indexes and manifests are always there: only they tell what else there should be.
        for (const Document& document : tree.documents)
            add_file(document.descriptor, blobs_.find(document.descriptor.digest) ? "" : document.text);
    }

    void add_file(const oci::Descriptor& descriptor, const std::string& text) {
        const std::pair key(part_of(descriptor), oci::layout::blob_path(descriptor.digest));
        if (files_.contains(key))
            return;
        Member member =
            text.empty() ? stored_member(held_, descriptor, progress_) : made_member(descriptor, text, progress_);
        member.name = key.second;
        files_.emplace(key, std::move(member));
    }

    void add_referrers(const ImageTree& tree) {
        for (const ImageTree& referrer : collect_stored_referrers(blobs_, tree, options_.nondistributable, progress_)) {
            add_files(referrer);
            oci::Descriptor listed = referrer.root();
            const auto subject = oci::parse_referral(referrer.documents.back().text, listed.digest.string()).subject;
            listed.annotations.insert_or_assign(std::string(oci::annotation::subject), subject.value().digest.string());
            referrers_.emplace(listed.digest, std::move(listed));
        }
    }

    // Whoever reads manifest.json does not get along without a file that it names.
    void add_docker(Target& target) {
        if (!target.runnable)
            return;
        oci::DockerImage image{.config = oci::layout::blob_path(target.runnable->config.digest),
                               .names = std::move(target.tags),
                               .layers = {}};
        bool whole = has_file(target.runnable->config);
        for (const oci::Descriptor& layer : target.runnable->layers) {
            image.layers.push_back(oci::layout::blob_path(layer.digest));
            whole = whole && has_file(layer);
        }
        if (!whole)
            return;
        // Two indexes may have the same image in them.
        const auto same = std::ranges::find_if(contents_.docker, [&](const oci::DockerImage& one) {
            return one.config == image.config && one.layers == image.layers;
        });
        if (same == contents_.docker.end())
            contents_.docker.push_back(std::move(image));
        else
            same->names.insert(same->names.end(), image.names.begin(), image.names.end());
    }

    bool has_file(const oci::Descriptor& descriptor) const {
        return files_.contains({part_of(descriptor), oci::layout::blob_path(descriptor.digest)});
    }

    store::Blobs& blobs_;
    OpenBlobs& held_;
    const ContentsOptions& options_;
    Progress& progress_;
    ArchiveContents contents_;
    std::map<oci::Digest, Target> targets_;
    std::map<oci::Digest, oci::Descriptor> referrers_;
    std::map<std::pair<Part, std::string>, Member> files_;
    std::set<oci::Digest> left_out_;
};

} // namespace

ArchiveContents oci_contents(store::Blobs& blobs, OpenBlobs& held, const std::vector<store::Image>& images,
                             const ContentsOptions& options, Progress& progress) {
    Builder builder(blobs, held, options, progress);
    for (const store::Image& image : images)
        builder.add(image);
    return builder.take();
}

std::vector<Member> archive_members(const ArchiveContents& contents) {
    std::vector<Member> members;
    const auto add = [&](std::string_view name, mode_t mode, std::string text) {
        const std::uint64_t size = text.size();
        members.push_back({.name = std::string(name), .size = size, .mode = mode, .text = std::move(text)});
    };
    members.reserve(contents.files.size() + 3);
    if (!contents.index.empty()) {
        add(oci::layout::marker, 0444, std::string(oci::layout::marker_text));
        add(oci::layout::index, 0644, oci::layout_index(contents.index));
    }
    if (!contents.docker.empty())
        add(oci::docker_archive::manifest, 0644, oci::list_docker_images(contents.docker));
    members.insert(members.end(), contents.files.begin(), contents.files.end());
    return members;
}

} // namespace lade::transfer
