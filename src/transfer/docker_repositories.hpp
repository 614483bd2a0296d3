// SPDX-License-Identifier: Apache-2.0
// The images of a docker archive from before docker 1.10, which has `repositories` but no manifest.json
// (registry-and-unpack.md 7.2).
#pragma once

#include <stop_token>
#include <vector>

#include "transfer/docker_images.hpp"

namespace lade::transfer {

// As docker_images(); configs are made, too. Layers are read to find out what they are, of images that are not wanted
// as well. not_found: a layer is not in the archive.
std::vector<oci::Descriptor> old_docker_images(const Origin& origin, const ImageFiles& files, const DockerRules& rules,
                                               const std::stop_token& stop);

} // namespace lade::transfer
