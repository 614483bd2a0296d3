// SPDX-License-Identifier: Apache-2.0
#include "transfer/stored_tree.hpp"

#include <cstddef>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "transfer/referrers.hpp"

namespace lade::transfer {

namespace {

// An error is one line: so many of what is missing are named.
constexpr std::size_t shown_missing = 4;

[[noreturn]] void refuse_partial(const std::string& name, const oci::Descriptor& root,
                                 const std::vector<MissingPart>& missing, std::string_view advice) {
    const bool is_index = oci::media_type::is_index(root.media_type);
    throw Error(ErrorKind::failed_precondition, "image ", printable(name),
                " is not all in the store, missing: ", describe_missing(missing), "; \"images pull ",
                is_index ? "--all-platforms " : "", printable(name), "\" fetches it",
                is_index && !advice.empty() ? ", " : "", is_index ? advice : "");
}

} // namespace

std::string describe_missing(const std::vector<MissingPart>& missing) {
    std::vector<std::string> lines;
    std::set<std::string> platforms;
    for (const MissingPart& part : missing) {
        // One line for each platform; its layers are of no interest when more of it is missing.
        if (!part.platform.empty() && part.platform != "attestation" && !platforms.insert(part.platform).second)
            continue;
        lines.push_back(cat(printable(part.platform), part.platform.empty() ? "" : " (", kind_of(part.descriptor), ' ',
                            part.descriptor.digest, part.platform.empty() ? "" : ")"));
    }
    const std::size_t count = lines.size();
    if (count > shown_missing)
        lines.resize(shown_missing);
    std::string text = join(lines, ", ");
    if (count > lines.size())
        text += cat(" and ", count - lines.size(), " more");
    return text;
}

TreeReader stored_reader(store::Blobs& blobs) {
    return {.find_document = [&blobs](const oci::Descriptor& document) -> std::optional<std::string> {
                if (!blobs.find(document.digest))
                    return std::nullopt;
                return blobs.read_document(document);
            },
            .has_blob =
                [&blobs](const oci::Descriptor& blob) {
                    if (!blobs.find(blob.digest))
                        return false;
                    // A file that is gone or was cut is damage, which pulling cures in another way.
                    static_cast<void>(blobs.open(blob.digest));
                    return true;
                }};
}

ImageTree collect_stored_tree(store::Blobs& blobs, const std::string& name, const oci::Descriptor& root,
                              const TreeRules& rules, Progress& progress, std::string_view advice) {
    CollectedTree found = collect_tree(root, stored_reader(blobs), rules);
    if (!found.whole)
        refuse_partial(name, root, found.missing, rules.skip_missing ? "" : advice);
    if (!found.missing.empty())
        progress.warn(cat("goes without what is not in the store: ", describe_missing(found.missing)));
    if (found.reduced)
        progress.warn(cat("the index is a reduced one, ", found.tree.root().digest, " in place of ", root.digest));
    return std::move(found.tree);
}

ImageTree collect_stored_platforms(store::Blobs& blobs, const std::string& name, const oci::Descriptor& target,
                                   const StoredTreeOptions& options, Progress& progress, std::string_view advice) {
    ChosenRoot chosen = choose_root(
        target, options.platforms,
        [&](const oci::Descriptor& document) {
            return doing([&] { return cat("image ", printable(name)); }, [&] { return blobs.read_document(document); });
        },
        [&](const std::string& warning) { progress.warn(warning); });
    if (options.keep_indexes && chosen.root.digest != target.digest)
        chosen = {.root = target, .only = std::set{chosen.root.digest}};
    return collect_stored_tree(blobs, name, chosen.root,
                               {.skip_missing = options.skip_missing,
                                .keep_indexes = options.keep_indexes,
                                .nondistributable = options.nondistributable,
                                .only = chosen.only},
                               progress, advice);
}

std::vector<ImageTree> collect_stored_referrers(store::Blobs& blobs, const ImageTree& image, bool nondistributable,
                                                Progress& progress) {
    return collect_referrers(image,
                             {.find = [&](const oci::Digest& digest) { return find_stored_referrers(blobs, digest); },
                              .tree = stored_reader(blobs)},
                             nondistributable, [&](const std::string& warning) { progress.warn(warning); });
}

} // namespace lade::transfer
