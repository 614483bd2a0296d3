// SPDX-License-Identifier: Apache-2.0
// Bytes of one blob from one host (registry-and-unpack.md 2.4).
#pragma once

#include <stop_token>
#include <string>

#include "oci/manifest.hpp"
#include "registry/blob_receiver.hpp"
#include "registry/channel.hpp"
#include "registry/pieces.hpp"
#include "registry/retry.hpp"
#include "registry/senders.hpp"
#include "registry/walk.hpp"

namespace lade::registry {

// By what the host that was asked last knows the content: what it goes on with must be of the same.
struct Validator {
    const Channel* channel = nullptr;
    std::string etag{}; // strong; "" for none
};

// What is missing to `receiver`. A host that gets ranges wrong is asked for the whole. Errors as Repository::fetch.
void fetch_from(Channel& channel, const oci::Descriptor& descriptor, BlobReceiver& receiver, Validator& validator,
                Senders& senders, Attempts attempts, const std::stop_token& stop);

// What is missing of the piece, and just that: data_loss when the host sends anything else.
void fetch_from(Channel& channel, const oci::Descriptor& descriptor, Pieces& pieces, Piece& piece,
                const Validator& validator, Senders& senders, Attempts attempts, const std::stop_token& stop);

// Who is asked, and how. The references stay the caller's.
struct Asking {
    Walk& hosts;
    const Capabilities& needs;
    unsigned retries;
    Senders& senders;

    // Those whose bytes of this blob were wrong.
    Walk::Skip rejected(const oci::Digest& digest) const {
        return [this, &digest](const Channel& channel) { return senders.is_rejected(digest, channel); };
    }
};

// What is missing to `receiver`, from host after host; false when none has all of it: see `failures`. What its sink
// throws ends it.
bool fetch_from_any(const Asking& asking, const oci::Descriptor& descriptor, BlobReceiver& receiver,
                    Validator& validator, Failures& failures, const std::stop_token& stop);

// The entity tag that `head` carries, if it is a strong one: a weak one says nothing of bytes.
std::string strong_etag(const Response& head);

} // namespace lade::registry
