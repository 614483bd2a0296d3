// SPDX-License-Identifier: Apache-2.0
// Whether all that an image needs on one platform is in the store (containerd-store.md 1.2). Files are looked at, and
// read for who wants to know that they are good.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "oci/layer.hpp"
#include "store/blobs.hpp"

namespace lade::transfer {

struct ImageCheck {
    // Config and layers; nothing is known of them without the manifest.
    bool available = false;
    std::size_t required = 0;
    std::size_t present = 0;
    std::uint64_t required_size = 0;
    std::uint64_t present_size = 0;
    std::optional<oci::ChainId> chain_id; // of the top layer, when the config is here and an image's
    std::vector<Error> damage;            // data_loss: what is recorded and has no file, or another one
    std::size_t spoilt = 0;               // of these, those that were read; they are not present

    bool complete() const noexcept { return available && present == required; }
};

// Reads blobs, several at the same time, each once however often it is asked about. One thread.
class BlobVerifier {
public:
    // The blobs stay the caller's.
    BlobVerifier(store::Blobs& blobs, std::size_t at_once, std::stop_token stop)
        : blobs_(blobs), at_once_(at_once), stop_(std::move(stop)) {}

    void read(const std::vector<oci::Descriptor>& blobs);
    // Of one that was read: data_loss, when it is not what its digest says or cannot be read.
    const std::optional<Error>& damage(const oci::Digest& digest) const { return known_.at(digest); }

private:
    std::optional<Error> verify(const oci::Descriptor& blob, const std::stop_token& stop);

    store::Blobs& blobs_;
    std::size_t at_once_;
    std::stop_token stop_;
    std::map<oci::Digest, std::optional<Error>> known_;
};

// data_loss: the index, manifest or config is damaged. `verifier`: what is present is read by it, too.
ImageCheck check_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform,
                       BlobVerifier* verifier = nullptr);

} // namespace lade::transfer
