// SPDX-License-Identifier: Apache-2.0
#include "transfer/import.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
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
          files_(open_files(
              input, {.blobs = blobs_, .lease = lease_, .progress = progress, .ratio = options.limits.ratio}, stop)),
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

    std::vector<ImportedImage> run() {
        choice_ = choose_from_archive(origin_, *files_, provider_, options_, missing_, stop_);
        require_meaning();
        fetch();
        for (const auto& [subject, labels] : choice_.referrers)
            blobs_.label(subject, labels);
        const std::optional<oci::Descriptor> index = put_index();
        if (options_.discard_layers)
            discard_layers();
        return commit(index);
    }

private:
    bool is_unpacked(const PlatformImage& image, const ChosenImage& chosen) const {
        if (!destination_ || !image.is_image() || chosen.is_referrer)
            return false;
        if (!options_.choice.all)
            return true;
        std::vector<std::optional<oci::Platform>> offers;
        for (const PlatformImage& one : chosen.images)
            offers.emplace_back(one.is_image() ? std::optional(one.config.platform) : std::nullopt);
        const auto best = oci::exact_match(oci::host_platform(), offers);
        return best && chosen.images[*best].manifest_descriptor.digest == image.manifest_descriptor.digest;
    }

    // Before any layer is read.
    void require_meaning() const {
        for (const NamedTarget& one : choice_.names)
            if (!store::means_target({.name = one.name, .target = one.target, .labels = {}}))
                throw Error(ErrorKind::data_loss, "image ", one.name, ": is ", one.target.digest,
                            " in the archive, which its name does not say");
    }

    void fetch() {
        Wanted wanted;
        for (const ChosenImage& chosen : choice_.images)
            for (const PlatformImage& image : chosen.images) {
                Wanted one;
                (is_unpacked(image, chosen) ? one.images : one.content).push_back(image);
                for (const oci::Descriptor& blob : sort_blobs(origin_, destination_, one).wanted)
                    if (!is_at_hand(origin_, provider_, blob, stop_))
                        missing_.add(kind_of(blob), blob.digest, chosen.name);
                auto& list = one.images.empty() ? wanted.content : wanted.images;
                if (std::ranges::none_of(list, [&](const PlatformImage& other) {
                        return other.manifest_descriptor.digest == image.manifest_descriptor.digest;
                    }))
                    list.push_back(image);
            }
        missing_.require_none(files_->is_cut());
        if (destination_)
            warn_of_artifacts(wanted.content, progress_);
        std::vector<oci::ChainId> tops = fetch_images(origin_, destination_, wanted, options_.at_once, stop_);
        for (std::size_t i = 0; i < tops.size(); ++i)
            tops_.emplace(wanted.images[i].manifest_descriptor.digest, tops[i]);
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
            for (const PlatformImage& image : chosen.images) {
                if (!tops_.contains(image.manifest_descriptor.digest))
                    continue;
                oci::Labels& changes = all[image.manifest_descriptor.digest];
                for (const auto& [key, value] : reference_labels(image.manifest))
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

    std::vector<oci::ChainId> tops_of(const oci::Digest& root) const {
        std::vector<oci::ChainId> tops;
        for (const ChosenImage& chosen : choice_.images)
            for (const PlatformImage& image : chosen.images)
                if (const auto top = tops_.find(image.manifest_descriptor.digest);
                    chosen.root.digest == root && top != tops_.end())
                    tops.push_back(top->second);
        return tops;
    }

    // All of it is true now; last of all the names that make it visible.
    std::vector<ImportedImage> commit(const std::optional<oci::Descriptor>& index) {
        std::vector<ImportedImage> imported;
        for (const NamedTarget& one : choice_.names)
            imported.push_back({.name = one.name,
                                .target = one.target,
                                .replaced = std::nullopt,
                                .chain_ids = tops_of(one.target.digest)});
        if (index)
            imported.push_back({.name = index_name(), .target = *index, .replaced = std::nullopt, .chain_ids = {}});
        std::vector<store::ReadImage> images;
        images.reserve(imported.size());
        for (const ImportedImage& one : imported)
            images.push_back({.image = {.name = one.name, .target = one.target, .labels = options_.labels},
                              .summary = find_summary(store_, options_.name_space, one.target)});
        fault::point("import.unnamed");
        const auto before =
            put_images(store_, options_.name_space, options_.lease, images, oci::to_string(oci::host_platform()));
        for (std::size_t i = 0; i < imported.size(); ++i)
            if (before[i] && before[i]->target.digest != imported[i].target.digest) {
                imported[i].replaced = before[i]->target.digest;
                progress_.warn(cat(imported[i].name, " was ", *imported[i].replaced, " before"));
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
    ArchiveProvider provider_;
    Origin origin_;
    std::optional<Destination> destination_;
    MissingBlobs missing_;
    ArchiveChoice choice_;
    std::map<oci::Digest, oci::ChainId> tops_;
};

} // namespace

std::vector<ImportedImage> import_images(store::Store& store, ImportInput input, const ImportOptions& options,
                                         Progress& progress, const std::stop_token& stop) {
    const std::string name = input.name;
    return doing([&] { return cat("import ", printable(name)); },
                 [&] { return Import(store, std::move(input), options, progress, stop).run(); });
}

} // namespace lade::transfer
