// SPDX-License-Identifier: Apache-2.0
// What an archive or a layout says that it has, whatever its form is (registry-and-unpack.md 7.2).
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "transfer/archive_provider.hpp"
#include "transfer/docker_images.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_files.hpp"
#include "transfer/missing_blobs.hpp"

namespace lade::transfer {

struct ArchiveListing {
    // The text of index.json, or of one that was made of the images; "" where the one image is all there is: a name for
    // the whole of it is its own.
    std::string index;
    std::vector<oci::Descriptor> images;
};

// The forms are told from each other by the files that there are. Of a docker archive only what `rules` want is listed,
// as docker_images() has it. invalid_argument: it is an archive of something else, or says nothing that makes sense;
// data_loss: it is cut, and no layout or one without its index; and as docker_images() and old_docker_images().
ArchiveListing list_archive(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                            const DockerRules& rules, MissingBlobs& missing, const std::stop_token& stop);

// To be added to an error whose reason may be that the archive is cut: "" when it is not.
std::string note_of_cut(const ImageFiles& files);

} // namespace lade::transfer
