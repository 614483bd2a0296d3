// SPDX-License-Identifier: Apache-2.0
// The bytes of a blob that is to be uploaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/error.hpp"
#include "base/stream.hpp"
#include "oci/digest.hpp"
#include "oci/manifest.hpp"

namespace lade::registry {

// The bytes of a blob, wherever they are.
class BlobContent {
public:
    virtual ~BlobContent() = default;
    // Those from `offset` on. The Source opened before is not used any more.
    virtual std::unique_ptr<Source> open(std::uint64_t offset) = 0;
};

// The bytes that were to be uploaded are not the blob's, or cannot be read: whoever can have others may try again.
// data_loss.
class WrongContent final : public Error {
public:
    template <typename... Parts>
    explicit WrongContent(const Parts&... parts) : Error(ErrorKind::data_loss, parts...) {}
};

// A blob's bytes for as many requests as it takes, hashed once on the way. The last of them are handed out only when
// the digest is the descriptor's, so that no request that carries others is ever complete: WrongContent.
class CheckedContent {
public:
    CheckedContent(BlobContent& content, const oci::Descriptor& blob)
        : content_(content), blob_(blob), hasher_(blob.digest.algorithm()) {}

    // The next bytes are those from `offset` on, which is no further than they were ever read.
    void seek(std::uint64_t offset);
    // Fills some of `into`, never nothing: WrongContent when the content ends early.
    std::size_t read(std::span<std::byte> into);
    // How far they were ever read.
    std::uint64_t furthest() const noexcept { return hashed_; }

private:
    BlobContent& content_;
    const oci::Descriptor& blob_;
    oci::Hasher hasher_;
    std::uint64_t hashed_ = 0;
    std::unique_ptr<Source> source_;
    std::uint64_t position_ = 0;
};

} // namespace lade::registry
