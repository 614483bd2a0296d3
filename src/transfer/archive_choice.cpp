// SPDX-License-Identifier: Apache-2.0
#include "transfer/archive_choice.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/layout.hpp"
#include "oci/referrers.hpp"
#include "store/blobs.hpp"
#include "transfer/archive_listing.hpp"
#include "transfer/docker_images.hpp"
#include "transfer/fetch_images.hpp"
#include "transfer/image_tree.hpp"

namespace lade::transfer {

namespace {

// A document that is neither in the archive nor in the store.
class NotThere final : public Error {
public:
    explicit NotThere(const oci::Descriptor& descriptor)
        : Error(ErrorKind::not_found, kind_of(descriptor), ' ', descriptor.digest, " is not there") {}
};

class Choosing {
public:
    Choosing(const Origin& origin, const std::optional<Destination>& destination, const ImageFiles& files,
             ArchiveProvider& provider, const ImportOptions& options, MissingBlobs& missing,
             const std::stop_token& stop)
        : origin_(origin),
          destination_(destination),
          files_(files),
          provider_(provider),
          options_(options),
          missing_(missing),
          stop_(stop) {}

    ArchiveChoice run() {
        const DockerRules rules{.layers = {.compress = options_.compress, .ratio = options_.limits.ratio},
                                .is_wanted = [&](const oci::Descriptor& image) { return is_wanted(image); }};
        ArchiveListing listing = list_archive(origin_, files_, provider_, rules, missing_, stop_);
        if (!options_.index_name.empty())
            choice_.index = std::move(listing.index);
        listing.index = {};
        listed_ = std::move(listing.images);
        name_all();
        choose_all();
        choose_referrers();
        return std::move(choice_);
    }

private:
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
        if (choice_.index.empty() && !options_.index_name.empty())
            for (const oci::Descriptor& image : listed_)
                choice_.names.push_back({.name = oci::Reference::parse(options_.index_name).string(), .target = image});
        std::map<std::string, oci::Digest> targets;
        for (const oci::Descriptor& image : listed_)
            for (std::string& name : names_of(image, options_.naming)) {
                any_ = true;
                const auto [known, is_new] = targets.emplace(name, image.digest);
                if (!is_new && known->second != image.digest)
                    throw Error(ErrorKind::invalid_argument, "two images have the name ", name, ": ", known->second,
                                " and ", image.digest);
                // There may be thousands, with room for hundreds of bytes each.
                name.shrink_to_fit();
                if (is_new)
                    choice_.names.push_back({.name = std::move(name), .target = image});
            }
    }

    void choose_all() {
        std::set<oci::Digest> named;
        for (const NamedTarget& one : choice_.names)
            named.insert(one.target.digest);
        std::map<oci::Digest, bool> chosen;
        for (const oci::Descriptor& image : listed_)
            if (!options_.index_name.empty() || named.contains(image.digest))
                if (const auto [root, is_new] = chosen.emplace(image.digest, false); is_new)
                    root->second =
                        doing([&] { return what_of(image); }, [&] { return choose(image, what_of(image), true); });
        std::erase_if(choice_.names, [&](const NamedTarget& one) { return !chosen.at(one.target.digest); });
        if (choice_.images.empty() && missing_.empty())
            refuse_nothing();
        for (const std::string& text : left_out_)
            origin_.progress.warn(cat(text, ", and left out"));
    }

    [[noreturn]] void refuse_nothing() const {
        if (!left_out_.empty())
            throw Error(ErrorKind::not_found, "no image for platform ", to_string(options_.choice.platforms.front()),
                        ": ", join(left_out_, ", "));
        if (!listed_.empty() || any_)
            throw Error(ErrorKind::not_found, "no image in it has a name", options_.naming.others ? "" : " that counts",
                        ": give --digests or --index-name");
        throw Error(files_.is_cut() ? ErrorKind::data_loss : ErrorKind::not_found, "there is no image in it",
                    note_of_cut(files_));
    }

    // Whether it is chosen. `name` is for people; what came along with something else is not unpacked.
    bool choose(const oci::Descriptor& image, const std::string& name, bool for_itself) {
        std::vector<PlatformImage> images;
        try {
            images = choose_images(image, options_.choice, [&](const oci::Descriptor& document) {
                if (!is_at_hand(document))
                    throw NotThere(document);
                return fetch_document(origin_, document, stop_);
            });
        } catch (const NotThere&) {
            name_missing(image, name);
            return false;
        }
        if (oci::media_type::is_manifest(image.media_type)) {
            const oci::Platform& platform = images.front().config.platform;
            if (!is_for_us(platform)) {
                leave_out(image, platform);
                return false;
            }
            warn_of_platform(images.front(), options_.choice, origin_.progress);
        }
        const std::set<oci::Digest> unpacked = for_itself ? unpacked_of(images) : std::set<oci::Digest>{};
        ChosenImage chosen{.root = image.digest, .manifests = {}};
        chosen.manifests.reserve(images.size());
        for (PlatformImage& one : images) {
            const bool is_unpacked = unpacked.contains(one.manifest_descriptor.digest);
            chosen.manifests.push_back({.media_type = one.manifest_descriptor.media_type,
                                        .digest = one.manifest_descriptor.digest,
                                        .size = one.manifest_descriptor.size,
                                        .is_unpacked = is_unpacked});
            Wanted wanted;
            (is_unpacked ? wanted.images : wanted.content).push_back(std::move(one));
            for (const oci::Descriptor& blob : sort_blobs(origin_, destination_, wanted).wanted)
                if (!is_at_hand(blob))
                    missing_.add(kind_of(blob), blob.digest, name);
        }
        choice_.images.push_back(std::move(chosen));
        return true;
    }

    // By their manifests. Of all platforms only this machine's is unpacked.
    std::set<oci::Digest> unpacked_of(const std::vector<PlatformImage>& images) const {
        std::set<oci::Digest> unpacked;
        std::vector<std::optional<oci::Platform>> offers;
        offers.reserve(images.size());
        for (const PlatformImage& one : images)
            offers.emplace_back(one.is_image() ? std::optional(one.config.platform) : std::nullopt);
        const auto best = options_.choice.all ? oci::exact_match(oci::host_platform(), offers) : std::nullopt;
        for (std::size_t i = 0; destination_ && i < images.size(); ++i)
            if (options_.choice.all ? i == best : images[i].is_image())
                unpacked.insert(images[i].manifest_descriptor.digest);
        return unpacked;
    }

    // Whether the archive or the store has it; what the store has the lease holds from now on.
    bool is_at_hand(const oci::Descriptor& blob) const {
        return provider_.has(blob.digest) || origin_.blobs.adopt(blob, {}, origin_.lease, stop_);
    }

    // The whole of it, as far as its documents tell: whoever made the archive is to be asked once.
    void name_missing(const oci::Descriptor& image, const std::string& name) {
        const TreeReader reader{.find_document = [&](const oci::Descriptor& document) -> std::optional<std::string> {
                                    if (!is_at_hand(document))
                                        return std::nullopt;
                                    return fetch_document(origin_, document, stop_);
                                },
                                .has_blob = [&](const oci::Descriptor& blob) { return is_at_hand(blob); }};
        for (const MissingPart& part : collect_tree(image, reader, {.nondistributable = true}).missing)
            if (is_ours(part.platform))
                missing_.add(kind_of(part.descriptor), part.descriptor.digest, name);
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
        std::map<oci::Digest, std::vector<const oci::Descriptor*>> referrers;
        for (const oci::Descriptor& image : listed_)
            if (const auto told = image.annotations.find(std::string(oci::annotation::subject));
                told != image.annotations.end())
                if (const auto subject = oci::Digest::try_parse(told->second))
                    referrers[*subject].push_back(&image);
        if (referrers.empty())
            return;
        std::set<oci::Digest> known;
        std::vector<oci::Digest> subjects;
        const auto add = [&](const oci::Digest& digest) {
            if (known.insert(digest).second)
                subjects.push_back(digest);
        };
        const auto add_all = [&](const ChosenImage& chosen) {
            add(chosen.root);
            for (const ChosenManifest& manifest : chosen.manifests)
                add(manifest.digest);
        };
        for (const ChosenImage& chosen : choice_.images)
            add_all(chosen);
        // Referrers have referrers of their own.
        while (!subjects.empty()) {
            const oci::Digest subject = std::move(subjects.back());
            subjects.pop_back();
            const auto listed = referrers.find(subject);
            if (listed == referrers.end())
                continue;
            for (const oci::Descriptor* referrer : listed->second)
                if (!known.contains(referrer->digest) && choose_referrer(*referrer)) {
                    choice_.referrers[subject].insert(oci::referrer_label(referrer->digest));
                    add_all(choice_.images.back());
                }
        }
    }

    bool choose_referrer(const oci::Descriptor& referrer) {
        return doing([&] { return cat("referrer ", referrer.digest); },
                     [&] { return choose(referrer, what_of(referrer), false); });
    }

    const Origin& origin_;
    const std::optional<Destination>& destination_;
    const ImageFiles& files_;
    ArchiveProvider& provider_;
    const ImportOptions& options_;
    MissingBlobs& missing_;
    std::stop_token stop_;
    std::vector<oci::Descriptor> listed_;
    bool any_ = false; // there is one that may be had under some name
    std::vector<std::string> left_out_;
    ArchiveChoice choice_;
};

} // namespace

ArchiveChoice choose_from_archive(const Origin& origin, const std::optional<Destination>& destination,
                                  const ImageFiles& files, ArchiveProvider& provider, const ImportOptions& options,
                                  MissingBlobs& missing, const std::stop_token& stop) {
    return Choosing(origin, destination, files, provider, options, missing, stop).run();
}

} // namespace lade::transfer
