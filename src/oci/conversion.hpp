// SPDX-License-Identifier: Apache-2.0
// The documents of an image whose layers are kept in another form (registry-and-unpack.md 7.3). Whatever is nothing to
// do with that stays, also what is not known here; a document in which nothing changes keeps its bytes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/manifest.hpp"

namespace lade::oci {

// What OCI calls an index, manifest, config or layer of this docker type; any other type as it is.
std::string oci_type(std::string_view type);

// The type of a layer of the same family (docker's or OCI's, to be distributed or not) with this compression: "gzip",
// "zstd" or "". unimplemented: no layer's type.
std::string layer_type(std::string_view type, std::string_view compression);

// What stands for a child now. Members of the old descriptor that are about its bytes go when those are others:
// annotations of lazy pulling (eStargz, zstd:chunked), URLs and embedded data.
struct Child {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;
    std::map<std::string, std::string> annotations{}; // more of them
};

// The config with these diff IDs; docker's names of the image that it was made of go with the old ones.
std::string convert_config(std::string_view config, const std::vector<DiffId>& diff_ids);
// `type` is what the manifest is from now on; a child for each layer.
std::string convert_manifest(std::string_view manifest, std::string_view type, const Child& config,
                             const std::vector<Child>& layers);
// A child for each manifest; nullopt: the index goes without it.
std::string convert_index(std::string_view index, std::string_view type,
                          const std::vector<std::optional<Child>>& manifests);

} // namespace lade::oci
