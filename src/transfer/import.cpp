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
#include "oci/derived_image.hpp"
#include "oci/docker_archive.hpp"
#include "oci/referrers.hpp"
#include "store/blobs.hpp"
#include "store/image_batch.hpp"
#include "store/leases.hpp"
#include "transfer/archive_provider.hpp"
#include "transfer/docker_images.hpp"
#include "transfer/document.hpp"
#include "transfer/fetch_images.hpp"
#include "transfer/image_files.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/missing_blobs.hpp"

namespace lade::transfer {

namespace {

bool is_compressed(int file) {
    std::array<std::byte, 4> beginning{};
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

// A document that is neither in the archive nor in the store.
class NotThere final : public Error {
public:
    explicit NotThere(const oci::Descriptor& descriptor)
        : Error(ErrorKind::not_found, kind_of(descriptor), ' ', descriptor.digest, " is not there") {}
};

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
        list();
        name_all();
        choose_all();
        choose_referrers();
        fetch();
        for (const auto& [subject, labels] : referrers_)
            blobs_.label(subject, labels);
        const std::optional<oci::Descriptor> index = put_index();
        if (options_.discard_layers)
            discard_layers();
        return commit(index);
    }

private:
    struct Named {
        std::string name;
        oci::Descriptor target;
    };
    struct Chosen {
        oci::Descriptor root;
        std::string name;
        std::vector<PlatformImage> images;
        bool is_referrer = false;
    };

    // What the archive says that it has.
    void list() {
        if (const auto marker = files_->find_text(std::string(oci::layout::marker), oci::max_document)) {
            oci::check_layout(*marker);
            const auto text = files_->find_text(std::string(oci::layout::index), oci::max_document);
            if (!text)
                throw Error(files_->is_cut() ? ErrorKind::data_loss : ErrorKind::invalid_argument,
                            "an OCI layout without index.json", cut());
            index_ = *text;
            listed_ = oci::parse_index(index_, oci::media_type::oci_index, oci::layout::index).manifests;
            return;
        }
        const DockerRules rules{.compress = options_.compress,
                                .is_wanted = [&](const oci::Descriptor& image) { return is_wanted(image); },
                                .ratio = options_.limits.ratio};
        if (files_->find(std::string(oci::docker_archive::manifest)))
            listed_ = docker_images(origin_, *files_, provider_, rules, missing_, stop_);
        else if (files_->find(std::string(oci::docker_archive::repositories)))
            listed_ = old_docker_images(origin_, *files_, rules, stop_);
        else
            throw Error(files_->is_cut() ? ErrorKind::data_loss : ErrorKind::invalid_argument,
                        "not an archive of images: there is no oci-layout, manifest.json or repositories in it", cut());
        index_ = oci::make_index(listed_);
    }

    std::string cut() const { return files_->is_cut() ? "; it is cut short, it has no end" : ""; }

    // Of an image that is for one platform.
    bool is_wanted(const oci::Descriptor& image) {
        if (!is_named(image))
            return false;
        if (image.platform && !is_for_us(*image.platform)) {
            leave_out(image, *image.platform);
            return false;
        }
        return true;
    }

    bool is_named(const oci::Descriptor& image) {
        any_ = true;
        return !options_.index_name.empty() || !names_of(image, options_.naming).empty();
    }

    bool is_for_us(const oci::Platform& platform) const {
        return options_.choice.all || options_.any_platform || platform.os.empty() ||
               std::ranges::any_of(options_.choice.platforms,
                                   [&](const oci::Platform& wish) { return matches(wish, oci::normalize(platform)); });
    }

    void leave_out(const oci::Descriptor& image, const oci::Platform& platform) {
        left_out_.push_back(cat(what_of(image), " is for ", printable(to_string(oci::normalize(platform)))));
    }

    std::string what_of(const oci::Descriptor& image) const {
        const auto names = names_of(image, options_.naming);
        return cat("image ", names.empty() ? image.digest.string() : names.front());
    }

    void name_all() {
        std::map<std::string, oci::Digest> targets;
        for (const oci::Descriptor& image : listed_)
            for (std::string& name : names_of(image, options_.naming)) {
                any_ = true;
                const auto [known, is_new] = targets.emplace(name, image.digest);
                if (!is_new && known->second != image.digest)
                    throw Error(ErrorKind::invalid_argument, "two images have the name ", name, ": ", known->second,
                                " and ", image.digest);
                if (is_new)
                    named_.push_back({.name = std::move(name), .target = image});
            }
    }

    void choose_all() {
        for (const oci::Descriptor& image : listed_) {
            const bool is_known =
                std::ranges::any_of(chosen_, [&](const Chosen& one) { return one.root.digest == image.digest; });
            const bool is_wanted = !options_.index_name.empty() || std::ranges::any_of(named_, [&](const Named& one) {
                return one.target.digest == image.digest;
            });
            if (!is_known && is_wanted)
                doing([&] { return what_of(image); }, [&] { choose(image); });
        }
        std::erase_if(named_, [&](const Named& one) {
            return std::ranges::none_of(chosen_,
                                        [&](const Chosen& other) { return other.root.digest == one.target.digest; });
        });
        if (chosen_.empty() && missing_.empty())
            refuse_nothing();
        for (const std::string& text : left_out_)
            progress_.warn(cat(text, ", and left out"));
    }

    [[noreturn]] void refuse_nothing() const {
        if (!left_out_.empty())
            throw Error(ErrorKind::not_found, "no image for platform ", to_string(options_.choice.platforms.front()),
                        ": ", join(left_out_, ", "));
        if (!listed_.empty() || any_)
            throw Error(ErrorKind::not_found, "no image in it has a name", options_.naming.others ? "" : " that counts",
                        ": give --digests or --index-name");
        throw Error(files_->is_cut() ? ErrorKind::data_loss : ErrorKind::not_found, "there is no image in it", cut());
    }

    bool is_here(const oci::Descriptor& blob) {
        return provider_.has(blob.digest) || blobs_.adopt(blob, {}, lease_, stop_);
    }

    void choose(const oci::Descriptor& image) {
        Chosen chosen{.root = image, .name = what_of(image), .images = {}};
        try {
            chosen.images = choose_images(image, options_.choice, [&](const oci::Descriptor& document) {
                if (!is_here(document))
                    throw NotThere(document);
                return fetch_document(origin_, document, stop_);
            });
        } catch (const NotThere&) {
            name_missing(chosen);
            return;
        }
        if (oci::media_type::is_manifest(image.media_type)) {
            const oci::Platform& platform = chosen.images.front().config.platform;
            if (!is_for_us(platform)) {
                leave_out(image, platform);
                return;
            }
            warn_of_platform(chosen.images.front(), options_.choice, progress_);
        }
        chosen_.push_back(std::move(chosen));
    }

    // The whole of it, as far as its documents tell: whoever made the archive is to be asked once.
    void name_missing(const Chosen& chosen) {
        const TreeReader reader{.find_document = [&](const oci::Descriptor& document) -> std::optional<std::string> {
                                    if (!is_here(document))
                                        return std::nullopt;
                                    return fetch_document(origin_, document, stop_);
                                },
                                .has_blob = [&](const oci::Descriptor& blob) { return is_here(blob); }};
        for (const MissingPart& part : collect_tree(chosen.root, reader, {.nondistributable = true}).missing)
            if (is_ours(part.platform))
                missing_.add(kind_of(part.descriptor), part.descriptor.digest, chosen.name);
    }

    // Of what an index says, which is text here; "" where it says nothing.
    bool is_ours(const std::string& platform) const {
        return platform.empty() || options_.choice.all ||
               std::ranges::any_of(options_.choice.platforms, [&](const oci::Platform& wish) {
                   const std::string text = to_string(wish);
                   return text.starts_with(platform) || platform.starts_with(text);
               });
    }

    // An archive lists them beside the images, and says of each what it refers to (registry-and-unpack.md 7.1).
    void choose_referrers() {
        std::set<oci::Digest> subjects;
        const auto add = [&](const Chosen& chosen) {
            subjects.insert(chosen.root.digest);
            for (const PlatformImage& image : chosen.images)
                subjects.insert(image.manifest_descriptor.digest);
        };
        for (const Chosen& chosen : chosen_)
            add(chosen);
        for (bool more = true; more;) {
            more = false;
            for (const oci::Descriptor& referrer : listed_) {
                const auto told = referrer.annotations.find(std::string(oci::annotation::subject));
                const auto subject =
                    told == referrer.annotations.end() ? std::nullopt : oci::Digest::try_parse(told->second);
                if (!subject || !subjects.contains(*subject) || subjects.contains(referrer.digest))
                    continue;
                const std::size_t before = chosen_.size();
                doing([&] { return cat("referrer ", referrer.digest); }, [&] { choose(referrer); });
                subjects.insert(referrer.digest);
                if (chosen_.size() == before)
                    continue;
                chosen_.back().is_referrer = true;
                add(chosen_.back());
                referrers_[*subject].insert(oci::referrer_label(referrer.digest));
                more = true;
            }
        }
    }

    bool is_unpacked(const PlatformImage& image, const Chosen& chosen) const {
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

    void fetch() {
        Wanted wanted;
        for (const Chosen& chosen : chosen_)
            for (const PlatformImage& image : chosen.images) {
                Wanted one;
                (is_unpacked(image, chosen) ? one.images : one.content).push_back(image);
                for (const oci::Descriptor& blob : sort_blobs(origin_, destination_, one).wanted)
                    if (!is_here(blob))
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
        if (options_.index_name.empty())
            return std::nullopt;
        return put_document(blobs_, index_, oci::media_type::oci_index,
                            reference_labels(oci::parse_index(index_, oci::media_type::oci_index, "index.json")),
                            lease_, stop_);
    }

    // Manifests of what was unpacked let go of their layers.
    void discard_layers() {
        for (const Chosen& chosen : chosen_)
            for (const PlatformImage& image : chosen.images) {
                if (!tops_.contains(image.manifest_descriptor.digest))
                    continue;
                oci::Labels changes;
                for (const auto& [key, value] : reference_labels(image.manifest))
                    if (key.starts_with(cat(oci::label::gc_ref_content, ".l.")))
                        changes.emplace(key, "");
                blobs_.label(image.manifest_descriptor.digest, changes);
            }
    }

    std::vector<oci::ChainId> tops_of(const oci::Digest& root) const {
        std::vector<oci::ChainId> tops;
        for (const Chosen& chosen : chosen_)
            for (const PlatformImage& image : chosen.images)
                if (const auto top = tops_.find(image.manifest_descriptor.digest);
                    chosen.root.digest == root && top != tops_.end())
                    tops.push_back(top->second);
        return tops;
    }

    // All of it is true now; last of all the names that make it visible.
    std::vector<ImportedImage> commit(const std::optional<oci::Descriptor>& index) {
        std::vector<ImportedImage> imported;
        for (const Named& one : named_)
            imported.push_back({.name = one.name,
                                .target = one.target,
                                .replaced = std::nullopt,
                                .chain_ids = tops_of(one.target.digest)});
        if (index)
            imported.push_back({.name = oci::Reference::parse(options_.index_name).string(),
                                .target = *index,
                                .replaced = std::nullopt,
                                .chain_ids = {}});
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
    std::string index_;
    std::vector<oci::Descriptor> listed_;
    bool any_ = false;
    std::vector<std::string> left_out_;
    MissingBlobs missing_;
    std::vector<Named> named_;
    std::vector<Chosen> chosen_;
    std::map<oci::Digest, oci::Labels> referrers_; // by subject
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
