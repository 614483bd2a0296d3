// SPDX-License-Identifier: Apache-2.0
// The images of a docker archive as images of today (registry-and-unpack.md 7.2): manifests are made. Those of archives
// without manifest.json are docker_repositories'.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "transfer/archive_provider.hpp"
#include "transfer/docker_layers.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_files.hpp"
#include "transfer/missing_blobs.hpp"

namespace lade::transfer {

struct DockerRules {
    DockerLayerRules layers;
    std::function<bool(const oci::Descriptor&)> is_wanted; // by platform and names
};

// One for each name, which is an annotation, or one for an image without any. Of those that are wanted the manifests
// are in the store, held by the lease, and the layers are where `provider` finds them or in the store, too; of the
// others there is nothing, and the list is without them. What is missing goes to `missing`; the image is then not
// listed. data_loss: a layer is not what the config says; invalid_argument, resource_exhausted: documents are no good.
std::vector<oci::Descriptor> docker_images(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                                           const DockerRules& rules, MissingBlobs& missing,
                                           const std::stop_token& stop);

// For both forms: the config and the manifest become blobs, and `listed`, which tell names and platform, are of that
// manifest.
std::vector<oci::Descriptor> put_docker_image(const Origin& origin, const std::string& config,
                                              const std::vector<oci::Descriptor>& layers,
                                              std::vector<oci::Descriptor> listed, const std::stop_token& stop);

} // namespace lade::transfer
