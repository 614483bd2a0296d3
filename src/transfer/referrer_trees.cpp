// SPDX-License-Identifier: Apache-2.0
#include "transfer/referrer_trees.hpp"

#include <utility>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "oci/referrers.hpp"

namespace lade::transfer {

namespace {

// All of them are in memory at the same time.
constexpr std::size_t max_text = 64 * mib;

class Collector {
public:
    Collector(const ReferrerReader& reader, bool nondistributable, const std::function<void(const std::string&)>& warn)
        : reader_(reader), nondistributable_(nondistributable), warn_(warn) {}

    std::vector<ImageTree> collect(const ImageTree& image) {
        std::vector<oci::Digest> subjects;
        subjects.reserve(image.documents.size());
        for (const Document& document : image.documents)
            subjects.push_back(document.descriptor.digest);
        walk_referrers(subjects, reader_.find, [&](const oci::Digest& subject, const oci::Descriptor& one) {
            return collect_one(subject, one);
        });
        return std::move(found_);
    }

private:
    bool collect_one(const oci::Digest& subject, const oci::Descriptor& referrer) {
        try {
            add(read(subject, referrer));
            return true;
        } catch (const Error& error) {
            // Anybody who may push can list what is gone or no document: that is no reason to have no image.
            if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::invalid_argument)
                throw;
            warn_(cat("referrer ", referrer.digest, " is left out: ", error.message()));
            return false;
        }
    }

    ImageTree read(const oci::Digest& subject, const oci::Descriptor& referrer) {
        CollectedTree found =
            collect_tree(referrer, reader_.tree,
                         {.skip_missing = false, .nondistributable = nondistributable_, .only = std::nullopt});
        if (!found.whole)
            throw Error(ErrorKind::not_found, kind_of(found.missing.front().descriptor), ' ',
                        found.missing.front().descriptor.digest, " is not there");
        const oci::Referral referral =
            oci::parse_referral(found.tree.documents.back().text, cat("referrer ", referrer.digest));
        if (!referral.subject || referral.subject->digest != subject)
            throw Error(ErrorKind::invalid_argument, "it does not refer to ", subject);
        return std::move(found.tree);
    }

    void add(ImageTree tree) {
        for (const Document& document : tree.documents)
            text_ += document.text.size();
        if (found_.size() == max_referrers_moved || text_ > max_text)
            throw Error(ErrorKind::resource_exhausted, "more than ", max_referrers_moved, " referrers, or more than ",
                        kib_size(max_text), " of their documents");
        found_.push_back(std::move(tree));
    }

    const ReferrerReader& reader_;
    const bool nondistributable_;
    const std::function<void(const std::string&)>& warn_;
    std::vector<ImageTree> found_;
    std::size_t text_ = 0;
};

} // namespace

std::vector<ImageTree> collect_referrers(const ImageTree& image, const ReferrerReader& reader, bool nondistributable,
                                         const std::function<void(const std::string&)>& warn) {
    return doing("referrers", [&] { return Collector(reader, nondistributable, warn).collect(image); });
}

} // namespace lade::transfer
