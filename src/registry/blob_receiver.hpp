// SPDX-License-Identifier: Apache-2.0
// Passes exactly the bytes of one blob on, over as many replies as it takes (registry-and-unpack.md 2.4).
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <span>
#include <string>

#include "registry/http.hpp"

namespace lade::registry {

// A host answered a request for a range with something else; it may have the whole all the same.
class BadRange final : public Error {
public:
    template <typename... Parts>
    explicit BadRange(const Parts&... parts) : Error(ErrorKind::data_loss, parts...) {}
};

class BlobReceiver final : public Receiver {
public:
    // What a reply turned out to be.
    enum class Reply {
        whole, // from the first byte on, whatever was asked for
        exact, // the range, of a blob of the right size
        other, // a part of the range
    };
    using Watch = std::function<void(Reply)>;

    // The bytes [offset, size) of the blob go to `sink`. With an `end`, no more than [offset, end) is asked for, and
    // got unless the host sends more.
    BlobReceiver(std::uint64_t offset, std::uint64_t size, Sink& sink, std::uint64_t end = UINT64_MAX)
        : position_(offset), size_(size), end_(std::min(end, size)), sink_(sink) {}

    // What the next request must ask for: from position() on.
    std::uint64_t position() const noexcept { return position_; }
    bool done() const noexcept { return position_ == end_; }
    // That as a header; "" when it is the whole blob.
    std::string range() const;
    // Is told of every reply before its first byte.
    void watch(Watch watch) { watch_ = std::move(watch); }

    // data_loss when the reply is of another size than the blob; BadRange when it is from another place than was
    // asked for.
    void begin(const Response& head) override;
    // data_loss when there are more bytes than the blob has.
    void write(std::span<const std::byte> bytes) override;
    // What the sink has thrown: no host is to blame for it, and none cures it.
    const std::exception_ptr& sink_failure() const noexcept { return sink_failure_; }

private:
    Reply take_up(const Response& head);

    std::uint64_t position_;
    std::uint64_t size_;
    std::uint64_t end_;
    std::uint64_t skip_ = 0; // bytes of this reply that were delivered before
    Sink& sink_;
    std::exception_ptr sink_failure_;
    Watch watch_;
};

// "bytes 5-9/10": the first and last position, and the whole size when it is told.
struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::optional<std::uint64_t> size;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// "Range: bytes=5-9" for [5, 10).
std::string range_header(std::uint64_t first, std::uint64_t end);

// True when the reply is just the bytes [first, end) of a blob of `size` bytes, and says so.
bool is_exactly(const Response& head, std::uint64_t first, std::uint64_t end, std::uint64_t size);

} // namespace lade::registry
