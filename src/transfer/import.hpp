// SPDX-License-Identifier: Apache-2.0
// `images import`: from an archive or a layout to rows (registry-and-unpack.md 7.2). What can be read at any place is
// pulled from as from a registry; a stream is first read into the store, once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "oci/labels.hpp"
#include "oci/layer.hpp"
#include "oci/layout.hpp"
#include "store/store.hpp"
#include "transfer/image.hpp"
#include "transfer/progress.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

struct ImportOptions {
    std::string name_space;
    std::string lease; // of people, that holds what is made; "" for none
    // As for pulls, but images that an archive has for other platforms alone are left out, as long as others are left;
    // with `all` everything is stored, and unpacked is what is for this machine.
    PlatformChoice choice;
    bool any_platform = false; // an image for another platform than the one chosen is taken, with a warning
    std::optional<std::string> snapshotter; // nullopt: content only
    oci::Labels labels;                     // of the images
    oci::NamingRules naming;
    std::string index_name;      // of all there is, as one image; "" for none
    bool compress = false;       // plain layers of docker archives are stored compressed
    bool discard_layers = false; // what was unpacked is not kept
    std::size_t at_once = 4;     // layers read at the same time
    Limits limits;               // of each image that is unpacked; `bytes` also of all that is stored of a stream
};

// Where the archive is: a directory or file, or a stream. One of the two.
struct ImportInput {
    std::string name; // for people
    Fd file;          // open for reading
    Source* stream = nullptr;
};

struct ImportedImage {
    std::string name;
    oci::Descriptor target;
    std::optional<oci::Digest> replaced; // what had the name, if it was something else
    std::vector<oci::ChainId> chain_ids; // of what was unpacked
};

struct ImportResult {
    std::vector<ImportedImage> images; // in the order of the archive
    bool leaves_garbage = false;       // there is something in the store that nothing keeps
};

// On success everything is on disk as the store's Sync says, and all names are set. A
// failure, a signal or a kill at any point leaves no name, and nothing that is not whole. not_found: no image for the
// platform, none that has a name, or blobs that neither the archive nor the store has, each of which is named;
// invalid_argument: not an archive of images, or a hostile one; data_loss: it is cut, or holds other bytes than it
// says.
ImportResult import_images(store::Store& store, ImportInput input, const ImportOptions& options, Progress& progress,
                           const std::stop_token& stop);

} // namespace lade::transfer
