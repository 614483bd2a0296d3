// SPDX-License-Identifier: Apache-2.0
// Docker's oldest manifests, "schema 1", signed or not, and the OCI image one becomes (registry-and-unpack.md 3.6).
// Errors are invalid_argument unless said otherwise; `what` names the document in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "oci/manifest.hpp"

namespace lade::oci {

// The largest that is read.
inline constexpr std::uint64_t max_schema1 = 8'000'000;

// The bytes that the digest of a schema 1 manifest is of: those that were signed, which is the text without its
// signatures, or all of an unsigned one. Signatures themselves are not verified: what they are worth depends on keys
// that nobody published. Signatures that do not agree about what was signed are refused.
std::string schema1_payload(std::string_view text, std::string_view what);

// The digest that registries know a document of this media type by: of all its bytes, or of the payload.
Digest document_digest(std::string_view media_type, std::string_view text, Algorithm algorithm, std::string_view what);

struct Schema1 {
    // One step of the image's making, and the layer that it made.
    struct Step {
        Digest blob;
        HistoryEntry history; // with `empty_layer` nobody needs the blob
    };
    std::vector<Step> steps; // oldest first, never empty
    std::string config;      // JSON, from which schema1_config() makes the image's
};

// Reads a payload. As many layers as entries of the history; resource_exhausted: more than 1000. A document that is a
// manifest or an index of today at the same time is refused.
Schema1 parse_schema1(std::string_view payload, std::string_view what);

// What the JSON that docker kept of each layer tells of the step that made it; docker-archives have it in files.
HistoryEntry v1_history(const Json& v1);

// The config of the image. One diff ID for each step that is not an empty layer, in that order.
std::string schema1_config(const Schema1& image, const std::vector<DiffId>& diff_ids);

} // namespace lade::oci
