// SPDX-License-Identifier: Apache-2.0
// What the JSON files of a docker archive say (registry-and-unpack.md 7.1, 7.2): manifest.json of those that `docker
// save` writes since 1.10, `repositories` and a folder for each layer of those before. Errors are invalid_argument
// unless said otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/size.hpp"
#include "oci/manifest.hpp"

namespace lade::oci {

namespace docker_archive {
inline constexpr std::string_view manifest = "manifest.json";
inline constexpr std::string_view repositories = "repositories";
// The largest of them that are read.
inline constexpr std::uint64_t max_text = 20 * mib;
} // namespace docker_archive

struct DockerImage {
    std::string config; // where its files are
    std::vector<std::string> names;
    std::vector<std::string> layers; // bottom first
};

// manifest.json, names in full. resource_exhausted: more than 1000 images, names of one or layers of one.
std::vector<DockerImage> parse_docker_manifest(std::string_view text);

// `repositories`: each name, in full, and the ID of its topmost layer.
struct DockerRepository {
    std::string name;
    std::string layer;
};
std::vector<DockerRepository> parse_repositories(std::string_view text);

// The file `json` of a layer, whose folder is named by its ID. One that says that it has another ID is refused.
struct DockerLayer {
    std::string parent; // its ID; "" for none
    HistoryEntry history;
};
DockerLayer parse_docker_layer(std::string_view text, const std::string& id);

// The manifest that an image of such an archive gets, to the byte the one that containerd makes of it.
std::string docker_manifest(const Descriptor& config, const std::vector<Descriptor>& layers);

// The image once for each name, with that and its tag as annotations, as index.json lists it; as it is where there is
// no name.
std::vector<Descriptor> named_images(Descriptor image, const std::vector<std::string>& names);

// The text of a manifest.json that lists these.
std::string list_docker_images(const std::vector<DockerImage>& images);

// The text `current` of a manifest.json with these in it: each in the place of one with the same config and layers,
// whose names it keeps. A name moves from whoever had it; so do those of `moved`, which are of images that are none of
// these.
std::string add_docker_images(std::string_view current, const std::vector<DockerImage>& images,
                              const std::set<std::string>& moved = {});

// What such an archive calls an image of this name, in short: "alpine:3" for docker.io/library/alpine:3. nullopt: it
// has no tag, or has a digest, and so has no name there.
std::optional<std::string> docker_name(std::string_view name);

} // namespace lade::oci
