// SPDX-License-Identifier: Apache-2.0
#include "transfer/import.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "store/image_batch.hpp"
#include "store/leases.hpp"
#include "store/let_go.hpp"
#include "transfer/archive_choice.hpp"
#include "transfer/archive_provider.hpp"
#include "transfer/document.hpp"
#include "transfer/fetch_images.hpp"
#include "transfer/image_files.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/missing_blobs.hpp"

namespace lade::transfer {

namespace {

constexpr std::size_t images_at_once = 64;
constexpr std::size_t layers_at_once = 512;

bool is_compressed(int file) {
    std::array<std::byte, archive::magic_size> beginning{};
    const std::size_t have = read_some_at(file, beginning, 0, "archive");
    return archive::compression_of(std::span(beginning).first(have)) != archive::Compression::none;
}

std::unique_ptr<ImageFiles> open_files(ImportInput& input, const StreamRules& rules, const std::stop_token& stop) {
    if (input.stream != nullptr)
        return stream_files(*input.stream, input.name, 0, rules, stop);
    struct stat st {};
    if (::fstat(input.file.get(), &st) != 0)
        throw_errno(errno, "stat");
    if (S_ISDIR(st.st_mode))
        return directory_files(std::move(input.file));
    if (!is_compressed(input.file.get()))
        return tar_files(std::move(input.file));
    FileSource compressed(input.file.get(), input.name);
    return stream_files(compressed, input.name, static_cast<std::uint64_t>(st.st_size), rules, stop);
}

class Import {
public:
    Import(store::Store& store, ImportInput input, const ImportOptions& options, Progress& progress,
           const std::stop_token& stop)
        : store_(store),
          options_(options),
          progress_(progress),
          stop_(stop),
          blobs_(store, options.name_space),
          lease_(store, options.name_space, options.lease),
          files_(open_files(input,
                            {.blobs = blobs_,
                             .lease = lease_,
                             .progress = progress,
                             .ratio = options.limits.ratio,
                             .bytes = options.limits.bytes},
                            stop)),
          unused_(files_->stored()),
          provider_(*files_, !options.discard_layers),
          origin_{.provider = provider_, .reference = nullptr, .blobs = blobs_, .lease = lease_, .progress = progress} {
        if (options.snapshotter)
            destination_.emplace(Destination{.store = store,
                                             .name_space = options.name_space,
                                             .snapshotter = *options.snapshotter,
                                             .lease = lease_,
                                             .limits = options.limits,
                                             .progress = progress});
    }

    ImportResult run() {
        choice_ = choose_from_archive(origin_, destination_, *files_, provider_, options_, missing_, stop_);
        require_meaning();
        missing_.require_none(files_->is_cut());
        if (files_->is_cut())
            progress_.warn("the archive has no end; all that it lists is there");
        fetch();
        for (const auto& [subject, labels] : choice_.referrers)
            blobs_.label(subject, labels);
        const std::optional<oci::Descriptor> index = put_index();
        if (options_.discard_layers)
            discard_layers();
        return {.images = commit(index), .leaves_garbage = options_.discard_layers || !unused_.empty()};
    }

private:
    // An archive may list thousands of images, each of many layers: no more of them are looked at at the same time than
    // keep the disk busy.
    void fetch() {
        std::set<oci::Digest> seen;
        Wanted wanted;
        std::size_t layers = 0;
        for (const bool unpacked : {true, false})
            for (const ChosenImage& chosen : choice_.images)
                for (const ChosenManifest& manifest : chosen.manifests) {
                    if (manifest.is_unpacked != unpacked || !seen.insert(manifest.digest).second)
                        continue;
                    auto& list = unpacked ? wanted.images : wanted.content;
                    list.push_back(load(manifest));
                    unused_.erase(chosen.root);
                    note_use(list.back());
                    layers += list.back().manifest.layers.size();
                    if (wanted.images.size() + wanted.content.size() < images_at_once && layers < layers_at_once)
                        continue;
                    fetch(std::exchange(wanted, {}));
                    layers = 0;
                }
        fetch(wanted);
    }

    // Before any layer is read.
    void require_meaning() const {
        for (const NamedTarget& one : choice_.names)
            if (!store::means_target({.name = one.name, .target = one.target, .labels = {}}))
                throw Error(ErrorKind::data_loss, "image ", one.name, ": is ", one.target.digest,
                            " in the archive, which its name does not say");
    }

    PlatformImage load(const ChosenManifest& manifest) {
        return choose_images({.media_type = manifest.media_type, .digest = manifest.digest, .size = manifest.size},
                             {.all = true},
                             [&](const oci::Descriptor& document) { return blobs_.read_document(document); })
            .front();
    }

    void note_use(const PlatformImage& image) {
        unused_.erase(image.manifest_descriptor.digest);
        unused_.erase(image.manifest.config.digest);
        for (const oci::Descriptor& layer : image.manifest.layers)
            unused_.erase(layer.digest);
    }

    void fetch(const Wanted& wanted) {
        if (destination_)
            warn_of_artifacts(wanted.content, progress_);
        std::vector<oci::ChainId> tops = fetch_images(origin_, destination_, wanted, options_.at_once, stop_);
        for (std::size_t i = 0; i < tops.size(); ++i)
            tops_.emplace(wanted.images[i].manifest_descriptor.digest, std::move(tops[i]));
    }

    std::optional<oci::Descriptor> put_index() {
        if (options_.index_name.empty() || choice_.index.empty())
            return std::nullopt;
        return put_document(blobs_, choice_.index, oci::media_type::oci_index,
                            reference_labels(oci::parse_index(choice_.index, oci::media_type::oci_index, "index.json")),
                            lease_, stop_);
    }

    // Manifests of what was unpacked let go of their layers, unless those are another image's, too.
    void discard_layers() {
        std::map<oci::Digest, oci::Labels> all;
        for (const ChosenImage& chosen : choice_.images)
            for (const ChosenManifest& manifest : chosen.manifests) {
                if (!tops_.contains(manifest.digest))
                    continue;
                oci::Labels& changes = all[manifest.digest];
                for (const auto& [key, value] : reference_labels(load(manifest).manifest))
                    if (key.starts_with(cat(oci::label::gc_ref_content, ".l.")))
                        changes.emplace(key, "");
            }
        std::set<std::string> names;
        for (const NamedTarget& one : choice_.names)
            names.insert(one.name);
        if (!options_.index_name.empty())
            names.insert(index_name());
        for (const std::string& keeper : store::let_go(store_, options_.name_space, all, names, lease_))
            progress_.warn(cat("layers are kept that ", keeper, " has, too"));
    }

    std::string index_name() const { return oci::Reference::parse(options_.index_name).string(); }

    std::map<oci::Digest, std::vector<oci::ChainId>> tops_by_root() const {
        std::map<oci::Digest, std::vector<oci::ChainId>> roots;
        for (const ChosenImage& chosen : choice_.images)
            for (const ChosenManifest& manifest : chosen.manifests)
                if (const auto top = tops_.find(manifest.digest); top != tops_.end())
                    roots[chosen.root].push_back(top->second);
        return roots;
    }

    // All of it is true now; last of all the names that make it visible.
    std::vector<ImportedImage> commit(const std::optional<oci::Descriptor>& index) {
        auto tops = tops_by_root();
        choice_.images = {};
        tops_.clear();
        // There may be thousands: each leaves one list as it enters the next.
        std::deque<store::ReadImage> images;
        const auto add = [&](std::string name, oci::Descriptor target) {
            std::optional<Summary> summary = find_summary(store_, options_.name_space, target);
            images.push_back(
                {.image = {.name = std::move(name), .target = std::move(target), .labels = options_.labels},
                 .summary = std::move(summary)});
        };
        for (; !choice_.names.empty(); choice_.names.pop_front())
            add(std::move(choice_.names.front().name), std::move(choice_.names.front().target));
        if (index)
            add(index_name(), *index);
        fault::point("import.unnamed");
        const auto before =
            put_images(store_, options_.name_space, options_.lease, images, oci::to_string(oci::host_platform()));
        std::vector<ImportedImage> imported;
        imported.reserve(images.size());
        for (const std::optional<oci::Digest>& was : before) {
            store::Image& image = images.front().image;
            std::vector<oci::ChainId>& chain_ids = tops[image.target.digest];
            imported.push_back({.name = std::move(image.name),
                                .target = std::move(image.target),
                                .replaced = std::nullopt,
                                .chain_ids = chain_ids});
            images.pop_front();
            ImportedImage& one = imported.back();
            if (was && *was != one.target.digest) {
                one.replaced = was;
                progress_.warn(cat(one.name, " was ", *was, " before"));
            }
        }
        return imported;
    }

    store::Store& store_;
    const ImportOptions& options_;
    Progress& progress_;
    std::stop_token stop_;
    store::Blobs blobs_;
    store::LeaseHold lease_;
    std::unique_ptr<ImageFiles> files_;
    std::set<oci::Digest> unused_; // of what is stored
    ArchiveProvider provider_;
    Origin origin_;
    std::optional<Destination> destination_;
    MissingBlobs missing_;
    ArchiveChoice choice_;
    std::map<oci::Digest, oci::ChainId> tops_;
};

} // namespace

ImportResult import_images(store::Store& store, ImportInput input, const ImportOptions& options, Progress& progress,
                           const std::stop_token& stop) {
    const std::string name = input.name;
    return doing([&] { return cat("import ", printable(name)); },
                 [&] { return Import(store, std::move(input), options, progress, stop).run(); });
}

} // namespace lade::transfer
