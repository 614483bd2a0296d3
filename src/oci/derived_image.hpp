// SPDX-License-Identifier: Apache-2.0
// The documents of images that are made here: of another one and a layer more, or of one in an older form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/manifest.hpp"

namespace lade::oci {

// An image's config and manifest as text, what the config is referred to as, and what the manifest is.
struct Documents {
    std::string config;
    std::string config_type;
    std::string manifest;
    std::string manifest_type;
};

// Of an image without layers, in OCI's form.
Documents empty_documents(const Platform& platform);

// The step that makes the new image.
struct Step {
    std::string created; // RFC 3339
    std::string created_by;
    std::string author;               // "" : nobody says
    std::string comment;              // "" : none
    std::vector<std::string> changes; // config_change.hpp
};

// The base's config with the layer and the step; all of it that is nothing to do with them stays. invalid_argument: it
// is no config, or a change is not understood.
std::string derive_config(std::string_view base, const Step& step, const DiffId& layer);

// The base's manifest with this config and the layer more; annotations and the subject stay behind, as they are about
// the base.
std::string derive_manifest(const Documents& base, const Descriptor& config, const Descriptor& layer,
                            const std::map<std::string, std::string>& annotations);

// A manifest of `type` with these in it.
std::string make_manifest(std::string_view type, const Descriptor& config, const std::vector<Descriptor>& layers);

// An OCI index of these, with their platforms and annotations.
std::string make_index(const std::vector<Descriptor>& manifests);

// The manifest with its config called `type`; all else stays.
std::string retype_config(std::string_view manifest, std::string_view type);

// The media type of a layer that an image of such a manifest has, compressed with gzip.
std::string_view usual_layer_type(std::string_view manifest_type) noexcept;

// True when a manifest of that type may have a layer of this one: docker's are for docker's.
bool may_have_layer(std::string_view manifest_type, std::string_view layer_type) noexcept;

} // namespace lade::oci
