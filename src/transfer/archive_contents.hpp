// SPDX-License-Identifier: Apache-2.0
// What goes into an archive or a layout (registry-and-unpack.md 7.1): its files, and the documents that say what is in
// it. Nothing is written yet, and no blob is in memory.
#pragma once

#include <cstddef>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/docker_archive.hpp"
#include "oci/manifest.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "transfer/archive_member.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

struct ExportedImage {
    std::string name;
    oci::Descriptor target; // what is in the archive under that name
};

struct ArchiveContents {
    std::vector<Member> files;            // in the order in which they stand in an archive
    std::vector<oci::Descriptor> index;   // of index.json; empty where there is none
    std::vector<oci::DockerImage> docker; // of manifest.json; empty where there is none
    std::vector<ExportedImage> images;    // by name
    std::size_t left_out = 0;             // blobs that the other side has
};

struct ContentsOptions {
    std::vector<oci::Platform> platforms; // as StoredTreeOptions has them
    bool all_platforms = false;           // what is not in the store is an error, and not left out
    bool keep_missing = false;            // an index stays as it is, whatever of it is missing
    bool nondistributable = true;         // layers that are not to be distributed are in it, too
    bool docker_manifest = true;          // manifest.json beside the layout
    bool referrers = false;               // what the store knows to refer to any of it is in it, too
    std::set<oci::Digest> have;           // blobs that are left out
};

// An OCI image layout: indexes and manifests, configs, layers, each of these by name, so that whoever reads from the
// front knows what is to come. The same images give the same contents. Of each image manifest.json has the one that
// fits the wishes or this machine best, if all its files are there. Everything in it that the
// store has is held by `held`; that and the board stay the caller's. Errors as collect_stored_platforms().
ArchiveContents oci_contents(store::Blobs& blobs, OpenBlobs& held, const std::vector<store::Image>& images,
                             const ContentsOptions& options, Progress& progress);

// The archive of `docker save`: of each image one platform, its layers not compressed, as readers of every age take
// them. Only the platforms of the options count; without one it is this machine's, or the only one there is. Layers are
// decoded here once to know their sizes. The rest is as above. not_found: that platform; data_loss: a layer that cannot
// be decoded.
ArchiveContents docker_contents(store::Blobs& blobs, OpenBlobs& held, const std::vector<store::Image>& images,
                                const ContentsOptions& options, Progress& progress, const std::stop_token& stop);

// The threads that copy at the same time.
std::size_t copies_at_once();

// The files with the documents before them, as they stand in an archive.
std::vector<Member> archive_members(const ArchiveContents& contents);

} // namespace lade::transfer
