// SPDX-License-Identifier: Apache-2.0
#include "transfer/root.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "oci/derived_image.hpp"
#include "store/images.hpp"
#include "transfer/document.hpp"
#include "transfer/schema1.hpp"

namespace lade::transfer {

namespace {

// Of an artifact, which may call its config the same, the layers are something else.
bool is_legacy(const oci::Manifest& manifest) {
    return manifest.config.media_type == oci::media_type::legacy_config && !manifest.layers.empty() &&
           std::ranges::all_of(manifest.layers,
                               [](const oci::Descriptor& one) { return oci::media_type::is_layer(one.media_type); });
}

} // namespace

Root fetch_root(const RemoteOrigin& origin, const oci::Descriptor& resolved, std::size_t at_once, std::uint64_t ratio,
                const std::stop_token& stop) {
    if (oci::media_type::is_schema1(resolved.media_type))
        return convert_schema1(origin, resolved, at_once, ratio, stop);
    Root root{.target = resolved};
    if (!oci::media_type::is_manifest(resolved.media_type))
        return root;
    std::string text = fetch_document(origin, resolved, stop);
    if (is_legacy(oci::parse_manifest(text, resolved.media_type, cat("manifest ", resolved.digest)))) {
        text = oci::retype_config(text, oci::media_type::docker_config);
        root.target = put_manifest(origin.blobs, text, resolved.media_type, origin.lease, stop);
        root.labels.emplace(store::converted_from, resolved.digest.string());
    }
    root.documents.emplace(root.target.digest, std::move(text));
    return root;
}

} // namespace lade::transfer
