// SPDX-License-Identifier: Apache-2.0
// The images of a docker archive, of any age, as images of today (registry-and-unpack.md 7.2): manifests are made, and
// configs where there are none.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "transfer/archive_provider.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_files.hpp"
#include "transfer/missing_blobs.hpp"

namespace lade::transfer {

struct DockerRules {
    bool compress = false;                                 // plain layers are stored compressed
    std::function<bool(const oci::Descriptor&)> is_wanted; // by platform and names
    std::uint64_t ratio = 0;                               // archive::Limits
};

// One for each name, which is an annotation, or one for an image without any. Of those that are wanted the manifests
// are in the store, held by the lease, and the layers are where `provider` finds them or in the store, too; of the
// others there is nothing, and the list is without them. What is missing goes to `missing`; the image is then not
// listed. data_loss: a layer is not what the config says; invalid_argument, resource_exhausted: documents are no good.
std::vector<oci::Descriptor> docker_images(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                                           const DockerRules& rules, MissingBlobs& missing,
                                           const std::stop_token& stop);

// The same of an archive from before docker 1.10, which has `repositories` but no manifest.json. Layers are read to
// find out what they are.
std::vector<oci::Descriptor> old_docker_images(const Origin& origin, const ImageFiles& files, const DockerRules& rules,
                                               const std::stop_token& stop);

} // namespace lade::transfer
