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
    Choosing(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider, const ImportOptions& options,
             MissingBlobs& missing, const std::stop_token& stop)
        : origin_(origin), files_(files), provider_(provider), options_(options), missing_(missing), stop_(stop) {}

    ArchiveChoice run() {
        const DockerRules rules{.layers = {.compress = options_.compress, .ratio = options_.limits.ratio},
                                .is_wanted = [&](const oci::Descriptor& image) { return is_wanted(image); }};
        ArchiveListing listing = list_archive(origin_, files_, provider_, rules, missing_, stop_);
        choice_.index = std::move(listing.index);
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
                if (is_new)
                    choice_.names.push_back({.name = std::move(name), .target = image});
            }
    }

    void choose_all() {
        for (const oci::Descriptor& image : listed_) {
            const bool is_known = std::ranges::any_of(
                choice_.images, [&](const ChosenImage& one) { return one.root.digest == image.digest; });
            const bool is_wanted =
                !options_.index_name.empty() || std::ranges::any_of(choice_.names, [&](const NamedTarget& one) {
                    return one.target.digest == image.digest;
                });
            if (!is_known && is_wanted)
                doing([&] { return what_of(image); }, [&] { choose(image); });
        }
        std::erase_if(choice_.names, [&](const NamedTarget& one) {
            return std::ranges::none_of(
                choice_.images, [&](const ChosenImage& other) { return other.root.digest == one.target.digest; });
        });
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

    void choose(const oci::Descriptor& image) {
        ChosenImage chosen{.root = image, .name = what_of(image), .images = {}};
        try {
            chosen.images = choose_images(image, options_.choice, [&](const oci::Descriptor& document) {
                if (!is_at_hand(origin_, provider_, document, stop_))
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
            warn_of_platform(chosen.images.front(), options_.choice, origin_.progress);
        }
        choice_.images.push_back(std::move(chosen));
    }

    // The whole of it, as far as its documents tell: whoever made the archive is to be asked once.
    void name_missing(const ChosenImage& chosen) {
        const TreeReader reader{
            .find_document = [&](const oci::Descriptor& document) -> std::optional<std::string> {
                if (!is_at_hand(origin_, provider_, document, stop_))
                    return std::nullopt;
                return fetch_document(origin_, document, stop_);
            },
            .has_blob = [&](const oci::Descriptor& blob) { return is_at_hand(origin_, provider_, blob, stop_); }};
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
        const auto add = [&](const ChosenImage& chosen) {
            subjects.insert(chosen.root.digest);
            for (const PlatformImage& image : chosen.images)
                subjects.insert(image.manifest_descriptor.digest);
        };
        for (const ChosenImage& chosen : choice_.images)
            add(chosen);
        for (bool more = true; more;) {
            more = false;
            for (const oci::Descriptor& referrer : listed_) {
                const auto told = referrer.annotations.find(std::string(oci::annotation::subject));
                const auto subject =
                    told == referrer.annotations.end() ? std::nullopt : oci::Digest::try_parse(told->second);
                if (!subject || !subjects.contains(*subject) || subjects.contains(referrer.digest))
                    continue;
                const std::size_t before = choice_.images.size();
                doing([&] { return cat("referrer ", referrer.digest); }, [&] { choose(referrer); });
                subjects.insert(referrer.digest);
                if (choice_.images.size() == before)
                    continue;
                choice_.images.back().is_referrer = true;
                add(choice_.images.back());
                choice_.referrers[*subject].insert(oci::referrer_label(referrer.digest));
                more = true;
            }
        }
    }

    const Origin& origin_;
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

ArchiveChoice choose_from_archive(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                                  const ImportOptions& options, MissingBlobs& missing, const std::stop_token& stop) {
    return Choosing(origin, files, provider, options, missing, stop).run();
}

bool is_at_hand(const Origin& origin, const ArchiveProvider& provider, const oci::Descriptor& blob,
                const std::stop_token& stop) {
    return provider.has(blob.digest) || origin.blobs.adopt(blob, {}, origin.lease, stop);
}

} // namespace lade::transfer
