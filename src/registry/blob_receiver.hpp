// SPDX-License-Identifier: Apache-2.0
// Passes exactly the bytes of one blob on, over as many replies as it takes (registry-and-unpack.md 2.4).
#pragma once

#include <cstdint>
#include <span>

#include "registry/http.hpp"

namespace lade::registry {

class BlobReceiver final : public Receiver {
public:
    // The bytes [offset, size) of the blob go to `sink`.
    BlobReceiver(std::uint64_t offset, std::uint64_t size, Sink& sink) : position_(offset), size_(size), sink_(sink) {}

    // What the next request must ask for: [position, size).
    std::uint64_t position() const noexcept { return position_; }
    bool done() const noexcept { return position_ == size_; }

    // data_loss when the reply is of another size or from another place than was asked for.
    void begin(const Response& head) override;
    // data_loss when there are more bytes than the blob has.
    void write(std::span<const std::byte> bytes) override;

private:
    std::uint64_t position_;
    std::uint64_t size_;
    std::uint64_t skip_ = 0; // bytes of this reply that were delivered before
    Sink& sink_;
};

// "bytes 5-9/10": the first and last position, and the whole size when it is told.
struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::optional<std::uint64_t> size;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

} // namespace lade::registry
