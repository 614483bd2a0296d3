// SPDX-License-Identifier: Apache-2.0
// All that an image consists of, from its root down (registry-and-unpack.md 3.2): what is to be there when it is to be
// somewhere else.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "transfer/image.hpp"

namespace lade::transfer {

struct Document {
    oci::Descriptor descriptor;
    std::string text;
};

struct ImageTree {
    std::vector<Document> documents;    // each once, children before their parents, the root last
    std::vector<oci::Descriptor> blobs; // configs, layers and whatever else, each once

    const oci::Descriptor& root() const { return documents.back().descriptor; }
};

// What is not there, and of what: a platform, or "" where none is told.
struct MissingPart {
    std::string platform;
    oci::Descriptor descriptor;
};

struct TreeReader {
    // The text of an index or manifest; nullopt when it is not there.
    std::function<std::optional<std::string>(const oci::Descriptor&)> find_document;
    std::function<bool(const oci::Descriptor&)> has_blob;
};

struct TreeRules {
    bool skip_missing = false;                 // an index goes without the images that are not whole
    bool keep_indexes = false;                 // for where an index need not have all of it: it stays as it is
    bool as_here = false;                      // images of an index that are not there at all are not missed
    bool nondistributable = false;             // layers that are not to be distributed count, too
    std::optional<std::set<oci::Digest>> only; // of the images of an index these, with their attestations
};

struct CollectedTree {
    ImageTree tree;                   // of use when nothing is missing, or what is was skipped
    std::vector<MissingPart> missing; // in the order of the index
    bool reduced = false;             // the root is another one than was asked for
    bool whole = false;               // `tree` is all that was wanted
};

// Indexes that lose children get new bytes, and a new digest, unless they are to be kept. invalid_argument: the root is
// neither manifest nor index; resource_exhausted: too many, too deep or too large documents.
CollectedTree collect_tree(const oci::Descriptor& root, const TreeReader& reader, TreeRules rules);

// What is meant by a wish for some platforms: the one image alone, if there is one; else the root, with rules for the
// images wanted. `warn` is told when a manifest that is taken is for another platform. Errors as choose_images().
struct ChosenRoot {
    oci::Descriptor root;
    std::optional<std::set<oci::Digest>> only;
};
ChosenRoot choose_root(const oci::Descriptor& root, const std::vector<oci::Platform>& platforms,
                       const ReadDocument& read, const std::function<void(const std::string&)>& warn);

} // namespace lade::transfer
