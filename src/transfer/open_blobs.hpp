// SPDX-License-Identifier: Apache-2.0
// Blobs that a command reads for long without changing the store: their files stay open, so that whoever removes and
// collects them meanwhile takes nothing away. No lease, nothing written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "base/fd.hpp"
#include "base/stream.hpp"
#include "oci/digest.hpp"
#include "oci/manifest.hpp"
#include "store/blobs.hpp"

namespace lade::transfer {

class OpenBlobs {
public:
    // The blobs stay the caller's.
    explicit OpenBlobs(store::Blobs& blobs);

    // Opens it, unless it is open. Of more blobs than half the descriptors that the process may have the rest is opened
    // when it is read. not_found: it is not in the store; data_loss: its file is missing or has another size. One
    // thread, before open().
    void hold(const oci::Digest& digest);
    // Its bytes, unverified. From several threads; what it gives refers to this. Errors as those of hold().
    std::unique_ptr<Source> open(const oci::Descriptor& blob) const;
    // Its file, to be read at places alone.
    Fd file(const oci::Digest& digest) const;

private:
    store::Blobs& blobs_;
    std::size_t most_;
    std::map<oci::Digest, Fd> files_;
};

} // namespace lade::transfer
