// SPDX-License-Identifier: Apache-2.0
#include "transfer/referrers.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/referrers.hpp"
#include "transfer/image.hpp"

namespace lade::transfer {

namespace {

using Find = std::function<std::vector<oci::Descriptor>(const oci::Digest& subject, const std::string& artifact_type)>;

// Depth first, so that each stands behind its subject; one that was met before, in a circle say, is not met again.
class Tree {
public:
    Tree(const Find& find, const ReferrersOptions& options) : find_(find), options_(options) {}

    Referrers of(const oci::Descriptor& subject) {
        seen_.insert(subject.digest);
        add(subject.digest, 0);
        return {.subject = subject, .list = std::move(list_)};
    }

private:
    void add(const oci::Digest& subject, std::size_t depth) {
        for (oci::Descriptor& one : find_(subject, depth == 0 ? options_.artifact_type : "")) {
            if (!seen_.insert(one.digest).second)
                continue;
            const oci::Digest digest = one.digest;
            list_.push_back({.descriptor = std::move(one), .subject = subject, .depth = depth});
            if (options_.recursive && depth + 1 < max_referrer_depth) {
                if (list_.size() > max_referrers_moved)
                    throw Error(ErrorKind::resource_exhausted, "more than ", max_referrers_moved, " referrers");
                add(digest, depth + 1);
            }
        }
    }

    const Find& find_;
    const ReferrersOptions& options_;
    std::vector<Referrer> list_;
    std::set<oci::Digest> seen_;
};

oci::Descriptor chosen_subject(const oci::Descriptor& root, const ReferrersOptions& options, const ReadDocument& read) {
    if (!options.platform)
        return root;
    return choose_images(root, {.platforms = {*options.platform}}, read).front().manifest_descriptor;
}

// Everything below one referrer's document.
class Bringing {
public:
    Bringing(const RemoteOrigin& origin, const std::stop_token& stop) : origin_(origin), stop_(stop) {}

    std::vector<oci::Descriptor> bring(const std::vector<oci::Digest>& subjects) {
        walk_referrers(
            subjects, [&](const oci::Digest& subject) { return origin_.repository.referrers(subject, "", stop_); },
            [&](const oci::Digest& subject, const oci::Descriptor& one) { return bring_one(subject, one); });
        return std::move(blobs_);
    }

private:
    bool leave_out(const oci::Descriptor& referrer, const std::string& why) {
        origin_.progress.warn(cat("referrer ", referrer.digest, " is left out: ", why));
        return false;
    }

    bool bring_one(const oci::Digest& subject, const oci::Descriptor& referrer) {
        if (!oci::media_type::is_document(referrer.media_type))
            return leave_out(referrer, cat(printable(referrer.media_type), " is neither manifest nor index"));
        try {
            const std::string text = fetch_document(origin_, referrer, stop_);
            const oci::Referral referral = oci::parse_referral(text, cat("referrer ", referrer.digest));
            if (!referral.subject || referral.subject->digest != subject)
                return leave_out(referrer, cat("it does not refer to ", subject));
            add_children(referrer, text, 0);
        } catch (const Error& error) {
            // Anybody who may push can list what is gone or no document: that is no reason to have no image.
            if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::invalid_argument)
                throw;
            return leave_out(referrer, error.message());
        }
        const auto [key, value] = oci::referrer_label(referrer.digest);
        origin_.blobs.label(subject, {{key, value}});
        return true;
    }

    void add_children(const oci::Descriptor& document, std::string_view text, std::size_t depth) {
        if (++documents_ > max_referrers_moved || depth > max_referrer_depth)
            throw Error(ErrorKind::resource_exhausted, "more than ", max_referrers_moved,
                        " documents of referrers, or deeper than ", max_referrer_depth);
        const std::string what = cat("referrer ", document.digest);
        if (oci::media_type::is_manifest(document.media_type)) {
            const oci::Manifest manifest = oci::parse_manifest(text, document.media_type, what);
            blobs_.push_back(manifest.config);
            blobs_.insert(blobs_.end(), manifest.layers.begin(), manifest.layers.end());
            return;
        }
        for (const oci::Descriptor& child : oci::parse_index(text, document.media_type, what).manifests) {
            if (oci::media_type::is_document(child.media_type))
                add_children(child, fetch_document(origin_, child, stop_), depth + 1);
            else
                blobs_.push_back(child);
        }
    }

    const RemoteOrigin& origin_;
    const std::stop_token& stop_;
    std::vector<oci::Descriptor> blobs_;
    std::size_t documents_ = 0;
};

} // namespace

Referrers list_referrers(const oci::Reference& reference, const ReferrersOptions& options,
                         const std::stop_token& stop) {
    registry::Repository repository(reference, options.registry);
    const oci::Descriptor subject =
        chosen_subject(repository.resolve(stop), options,
                       [&](const oci::Descriptor& document) { return receive_document(repository, document, stop); });
    const Find find = [&](const oci::Digest& digest, const std::string& artifact_type) {
        return repository.referrers(digest, artifact_type, stop);
    };
    return Tree(find, options).of(subject);
}

Referrers list_stored_referrers(store::Blobs& blobs, const oci::Descriptor& target, const ReferrersOptions& options) {
    const oci::Descriptor subject =
        chosen_subject(target, options, [&](const oci::Descriptor& document) { return blobs.read_document(document); });
    const Find find = [&](const oci::Digest& digest, const std::string& artifact_type) {
        std::vector<oci::Descriptor> found = find_stored_referrers(blobs, digest);
        if (!artifact_type.empty())
            std::erase_if(found, [&](const oci::Descriptor& one) { return one.artifact_type != artifact_type; });
        return found;
    };
    return Tree(find, options).of(subject);
}

std::vector<oci::Descriptor> find_stored_referrers(store::Blobs& blobs, const oci::Digest& subject) {
    const auto row = blobs.find(subject);
    if (!row)
        return {};
    std::set<oci::Digest> referrers;
    for (const auto& [key, value] : row->labels)
        if (key.starts_with(oci::label::gc_ref_referrer))
            if (const auto digest = oci::Digest::try_parse(value); digest && blobs.find(*digest))
                referrers.insert(*digest);
    std::vector<oci::Descriptor> found;
    for (const oci::Digest& digest : referrers) {
        const std::string text =
            blobs.read_document({.media_type = {}, .digest = digest, .size = blobs.get(digest).size});
        if (const auto type = oci::find_document_type(text))
            found.push_back(oci::describe_referrer(text, *type, digest));
    }
    return found;
}

std::vector<oci::Descriptor> fetch_referrers(const RemoteOrigin& origin, const std::vector<oci::Digest>& subjects,
                                             const std::stop_token& stop) {
    return doing("referrers", [&] { return Bringing(origin, stop).bring(subjects); });
}

} // namespace lade::transfer
