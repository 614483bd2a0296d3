// SPDX-License-Identifier: Apache-2.0
// Descriptors and the documents they point at: index, manifest, image config, in their OCI and docker
// forms (registry-and-unpack.md 3.1 to 3.4). Parsing follows safety.md 3: bounded, unambiguous, exact.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/size.hpp"
#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "oci/layer.hpp"
#include "oci/platform.hpp"

namespace lade::oci {

namespace media_type {
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_index = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
inline constexpr std::string_view docker_schema1_unsigned = "application/vnd.docker.distribution.manifest.v1+json";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
// What docker called an image's config in the beginning.
inline constexpr std::string_view legacy_config = "application/octet-stream";
inline constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";

bool is_manifest(std::string_view type) noexcept;
bool is_index(std::string_view type) noexcept;
bool is_config(std::string_view type) noexcept;
bool is_layer(std::string_view type) noexcept;
// A layer that is not to be pushed to registries: docker's foreign ones, the nondistributable ones of OCI.
bool is_nondistributable(std::string_view type) noexcept;
bool is_schema1(std::string_view type) noexcept;
// Manifest or index: what registries keep among their manifests.
bool is_document(std::string_view type) noexcept;
} // namespace media_type

// The largest index, manifest or config that is read (safety.md 3.2).
inline constexpr std::uint64_t max_document = 8 * mib;

struct Descriptor {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;
    std::optional<Platform> platform;
    std::vector<std::string> urls;
    std::map<std::string, std::string> annotations;
    std::string artifact_type;
};

// One parsed index or manifest: what it points at, in the order of 3.2.
struct Index {
    std::vector<Descriptor> manifests;
};

struct Manifest {
    Descriptor config;
    std::vector<Descriptor> layers;
    std::string artifact_type{}; // what an artifact says it is; "" for an image
};

struct ImageConfig {
    Platform platform; // normalised
    std::vector<DiffId> diff_ids;
};

// One step of an image's making, as its config tells it.
struct HistoryEntry {
    std::string created; // RFC 3339 unless somebody wrote something else
    std::string created_by;
    std::string author;
    std::string comment;
    bool empty_layer = false;
};

// invalid_argument: no descriptor.
Descriptor parse_descriptor(const Json& json);
std::map<std::string, std::string> parse_annotations(const Json& json);

// `type` is the media type it is referred to by, `what` names the document in errors (invalid_argument). A manifest
// that has `manifests`, an index that has `layers` or `config`, either with `fsLayers`, another mediaType in the
// document and a schema version other than 2 are refused (3.3).
Index parse_index(std::string_view text, std::string_view type, std::string_view what);
Manifest parse_manifest(std::string_view text, std::string_view type, std::string_view what);
// A rootfs must be of type "layers".
ImageConfig parse_config(std::string_view text, std::string_view what);
// Oldest first; empty when the config has none.
std::vector<HistoryEntry> parse_history(std::string_view text, std::string_view what);

// The gc labels of a parent (3.4): one per child, as ctr writes them. `document` is the blob of `parent`.
Labels reference_labels(const Index& index);
Labels reference_labels(const Manifest& manifest);

// The word for a descriptor's role, e.g. in ingest references: index, manifest, config, layer,
// attestation or unknown (4.2).
std::string_view kind_of(const Descriptor& descriptor) noexcept;

// The attestation manifests that build tools add are never an image: they say what they are, or are for the platform
// unknown/unknown.
bool is_attestation(const Descriptor& descriptor) noexcept;

} // namespace lade::oci
