// SPDX-License-Identifier: Apache-2.0
// The label vocabulary with a meaning to the store (containerd-store.md 0.2, 2.6, 3.3) and its limit.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace lade::oci {

using Labels = std::map<std::string, std::string>;

namespace label {
inline constexpr std::string_view gc_root = "containerd.io/gc.root";
inline constexpr std::string_view gc_expire = "containerd.io/gc.expire";
inline constexpr std::string_view gc_ref_content = "containerd.io/gc.ref.content";
inline constexpr std::string_view gc_ref_referrer = "containerd.io/gc.ref.content.referrer."; // + algorithm + beginning
inline constexpr std::string_view gc_ref_image = "containerd.io/gc.ref.image";
inline constexpr std::string_view gc_ref_snapshot = "containerd.io/gc.ref.snapshot."; // + snapshotter
inline constexpr std::string_view gc_bref_content = "containerd.io/gc.bref.content";
inline constexpr std::string_view gc_bref_image = "containerd.io/gc.bref.image";
inline constexpr std::string_view gc_bref_container = "containerd.io/gc.bref.container";
inline constexpr std::string_view gc_bref_snapshot = "containerd.io/gc.bref.snapshot."; // + snapshotter
inline constexpr std::string_view gc_flat = "containerd.io/gc.flat";
inline constexpr std::string_view gc_condition = "containerd.io/gc.cond.snapshot."; // + snapshotter
inline constexpr std::string_view gc_used_at = "containerd.io/gc.cond.value-usedat";
inline constexpr std::string_view snapshot_ref = "containerd.io/snapshot.ref";
inline constexpr std::string_view uncompressed = "containerd.io/uncompressed";
inline constexpr std::string_view schema1_empty_layer = "containerd.io/docker.schema1.empty-layer";
inline constexpr std::string_view converted_schema1 = "io.containerd.image/converted-docker-schema1"; // of an image
inline constexpr std::string_view distribution_source = "containerd.io/distribution.source.";         // + host
inline constexpr std::string_view shareable = "containerd.io/namespace.shareable";
inline constexpr std::string_view default_snapshotter = "containerd.io/defaults/snapshotter";
} // namespace label

// Key and value together; longer ones are refused everywhere (leases too, unlike containerd).
inline constexpr std::size_t max_label_size = 4096;

// invalid_argument that shows at most 64 bytes of the key.
void validate(const Labels& labels);

// Merges `changes` into `labels`; an empty value removes its key.
void merge(Labels& labels, const Labels& changes);

// "k=v", or "k" for "true" as ctr has it; "k=" is the empty value, which removes.
std::pair<std::string, std::string> parse_label(std::string_view text);

// An identifier by containerd-store.md 0.2 (namespaces, containers): invalid_argument names it otherwise.
void validate_identifier(std::string_view what, std::string_view text);

} // namespace lade::oci
