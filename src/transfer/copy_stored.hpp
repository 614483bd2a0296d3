// SPDX-License-Identifier: Apache-2.0
// `images copy` out of the store: into another namespace of it, or into another store.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "store/images.hpp"
#include "store/store.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

struct CopyStoredOptions {
    std::string from; // namespaces
    std::string to;
    std::string lease; // of people, in the namespace `to`, that holds what is made; "" for none
    std::string name;  // that the image gets
    // These of an index; none: all that are here, or, with `all_platforms`, all that it has.
    std::vector<oci::Platform> platforms;
    bool all_platforms = false;
    bool skip_missing = false; // without the images of an index that are not whole
    bool referrers = false;    // what the store knows to refer to any of it goes, too
    bool replace = false;      // another image of that name
    bool link = true;          // files may be shared by hard links
    std::size_t at_once = 4;   // blobs
};

struct CopiedStored {
    std::string name;
    oci::Descriptor target;
    std::size_t existed = 0; // blobs and documents, by where their bytes are now: in a file that the store had,
    std::size_t cloned = 0;  // in one that shares blocks with its source,
    std::size_t linked = 0;  // in the very file of the source,
    std::size_t copied = 0;  // in a copy
    std::size_t referrers = 0;
};

// The image with the labels of its blobs, but for those that say what is unpacked, and its own; an index stays as it
// is, whatever of it is copied. Where `source` and `target` are one store rows alone are written. Else every blob is
// verified on its way in, also where no byte is copied, and nothing is written to `source`, not even a lease: its
// files stay open, so that an image that is removed meanwhile is copied all the same. A failure or a kill at any point
// leaves both stores good, and nothing visible that is not whole. already_exists: the name has another target;
// failed_precondition: not all that is wanted is here.
CopiedStored copy_stored(store::Store& source, store::Store& target, const store::Image& image,
                         const CopyStoredOptions& options, Progress& progress, const std::stop_token& stop);

} // namespace lade::transfer
