// SPDX-License-Identifier: Apache-2.0
// An image's tree into a repository: blobs first, several at the same time, then what refers to them, the root last
// (registry-and-unpack.md 2.10).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/reference.hpp"
#include "registry/pusher.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/progress.hpp"
#include "transfer/referrer_trees.hpp"

namespace lade::transfer {

// Where the blobs come from. Asked by several threads at once.
struct BlobOrigin {
    std::function<std::unique_ptr<registry::BlobContent>(const oci::Descriptor&, const std::stop_token&)> open;
    // A repository of the target's registry that may have the blob, or "".
    std::function<std::string(const oci::Descriptor&)> mount_from;
    // What to do about wrong bytes: returns when open() gives others from now on, else throws. Nothing: they are the
    // end.
    std::function<void(const oci::Descriptor&, const registry::WrongContent&)> recover{};
};

struct Delivered {
    std::size_t uploaded = 0; // blobs and documents alike
    std::size_t mounted = 0;
    std::size_t existed = 0;
    std::size_t referrers = 0; // however they came there
};

// What goes together: an image, and what refers to it.
struct Shipment {
    ImageTree image;
    std::vector<ImageTree> referrers; // each behind its subject
};

// Puts the root under the target's tag; without one, under its own digest. Referrers come after it. What the registry
// has is left as it is. Errors as registry::Pusher's.
Delivered deliver(registry::Pusher& pusher, const Shipment& shipment, const oci::Reference& target,
                  const BlobOrigin& origin, std::size_t at_once, Progress& progress, const std::stop_token& stop);

// The options with warnings that go to the board.
registry::Options telling(registry::Options options, Progress& progress);

// invalid_argument: the reference names another digest.
void check_target(const oci::Reference& target, const oci::Descriptor& root);

// A blob's bytes with their way told on the board: "uploading" from the first one that is wanted.
std::unique_ptr<registry::BlobContent> tracked(std::unique_ptr<registry::BlobContent> content, Item& item);
// The word for how it ended.
void set(Item& item, registry::UploadResult result);

} // namespace lade::transfer
