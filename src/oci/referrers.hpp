// SPDX-License-Identifier: Apache-2.0
// Referrers: manifests and indexes with a `subject`, e.g. signatures, SBOMs and attestations of an image
// (registry-and-unpack.md 2.11, 2.12).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "oci/manifest.hpp"

namespace lade::oci {

// What a document says of itself as a referrer.
struct Referral {
    std::optional<Descriptor> subject;
    std::string artifact_type; // else the media type of a manifest's config; "" of an index without one
    std::map<std::string, std::string> annotations;
};

// `what` names the document in errors (invalid_argument).
Referral parse_referral(std::string_view text, std::string_view what);

// The media type of a stored document that nobody described: its own word, else by its members. nullopt: it is neither
// manifest nor index.
std::optional<std::string> find_document_type(std::string_view text);

// How the document `text` is listed among the referrers of its subject.
Descriptor describe_referrer(std::string_view text, std::string_view media_type, const Digest& digest);

// Where a registry without the referrers API has them: a tag whose index lists them, "sha256-<hex>".
std::string referrers_tag(const Digest& subject);

// That index with `referrer` in it; `current` is its text, nullopt where there is none yet. nullopt: it is listed
// already. What stands there stays as it is written. invalid_argument: `current` is no index.
std::optional<std::string> add_to_referrers(const std::optional<std::string>& current, const Descriptor& referrer);

// The gc label on the subject that keeps a referrer (3.4).
std::pair<std::string, std::string> referrer_label(const Digest& referrer);

} // namespace lade::oci
