// SPDX-License-Identifier: Apache-2.0
// One file of an archive or a layout: a blob of the store, or a document that is made.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/stream.hpp"
#include "oci/manifest.hpp"
#include "transfer/open_blobs.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

struct Member {
    std::string name;
    std::uint64_t size = 0;
    mode_t mode = 0444;
    std::optional<oci::Digest> digest{}; // of its bytes, where it is known
    std::string text{};                  // the bytes themselves, unless they are to be opened
    // Bytes that are verified when their end is read. Called from any thread.
    std::function<std::unique_ptr<Source>(const std::stop_token&)> open{};
    Item* item = nullptr; // on the board
};

// The blob as it is, without a name yet, held from now on. `blobs` and the board outlive it.
Member stored_member(OpenBlobs& blobs, const oci::Descriptor& blob, Progress& progress);

// A document that was made here, and has the digest of its descriptor.
Member made_member(const oci::Descriptor& document, std::string text, Progress& progress);

// A blob's bytes, verified.
std::unique_ptr<Source> open_verified(const OpenBlobs& blobs, const oci::Descriptor& blob, const std::stop_token& stop);

// All of the bytes, told on the board. data_loss: they are damaged, which shows when the last of them have been
// written.
void copy_member(const Member& member, Sink& sink, const std::stop_token& stop);

} // namespace lade::transfer
