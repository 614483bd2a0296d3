// SPDX-License-Identifier: Apache-2.0
// An OCI image layout, as a directory or in an archive (registry-and-unpack.md 7.1, 7.2): what its files are called and
// say, and what its images are named.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "oci/manifest.hpp"

namespace lade::oci {

namespace layout {
inline constexpr std::string_view marker = "oci-layout";
inline constexpr std::string_view index = "index.json";
inline constexpr std::string_view blobs = "blobs";
inline constexpr std::string_view version = "1.0.0";
// The text of `marker`.
inline constexpr std::string_view marker_text = R"({"imageLayoutVersion":"1.0.0"})";
// blobs/<algorithm>/<hex>
std::string blob_path(const Digest& digest);
// nullopt: it is not where a blob lies.
std::optional<Digest> find_blob(std::string_view path);
} // namespace layout

namespace annotation {
inline constexpr std::string_view image_name = "io.containerd.image.name";              // in full
inline constexpr std::string_view reference_name = "org.opencontainers.image.ref.name"; // a tag, or in full
inline constexpr std::string_view subject = "io.containerd.manifest.subject";           // of what refers to another one
} // namespace annotation

// `text` is the file oci-layout. invalid_argument; unimplemented: another version.
void check_layout(std::string_view text);

struct NamingRules {
    std::string prefix;              // put before tags, and before digests
    bool others = true;              // names that do not begin with the prefix count, too
    bool digests = false;            // images are named prefix@digest ...
    bool digests_of_unnamed = false; // ... but those that have a name
};

// What an image is called that an index.json lists so, each once: none, one, or two. invalid_argument: a name is none.
std::vector<std::string> names_of(const Descriptor& image, const NamingRules& rules);

// With the members that it has.
Json descriptor_json(const Descriptor& descriptor);

// An image in a layout's index: the target with both annotations, without the platform. A name without a tag is its own
// ref name.
Descriptor named_image(const Descriptor& target, const std::string& name);

// The text of an index.json that lists these.
std::string layout_index(const std::vector<Descriptor>& images);

// `current`, the text of an index.json, with these in it: each in the place of those that have its whole name, or that
// have none and its ref name; one without a name in the place of the same digest. All else stays. invalid_argument: it
// is no index.
std::string add_to_layout_index(std::string_view current, const std::vector<Descriptor>& images);

} // namespace lade::oci
