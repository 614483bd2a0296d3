// SPDX-License-Identifier: Apache-2.0
#include "registry/blob_receiver.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::registry {

std::optional<ContentRange> parse_content_range(std::string_view text) {
    text = trim(text);
    if (!lower(text.substr(0, 6)).starts_with("bytes "))
        return std::nullopt;
    text = trim(text.substr(6));
    const std::size_t dash = text.find('-');
    const std::size_t slash = text.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash)
        return std::nullopt;
    const auto first = parse_number(text.substr(0, dash));
    const auto last = parse_number(text.substr(dash + 1, slash - dash - 1));
    const std::string_view size = text.substr(slash + 1);
    if (!first || !last || *last < *first || (size != "*" && !parse_number(size)))
        return std::nullopt;
    return ContentRange{.first = *first, .last = *last, .size = parse_number(size)};
}

std::string range_header(std::uint64_t first, std::uint64_t end) {
    return cat("Range: bytes=", first, '-', end - 1);
}

bool is_exactly(const Response& head, std::uint64_t first, std::uint64_t end, std::uint64_t size) {
    const auto range = parse_content_range(head.find("content-range").value_or(""));
    return head.status == 206 && range && range->first == first && range->last == end - 1 && range->size == size &&
           head.content_length().value_or(end - first) == end - first;
}

std::string BlobReceiver::range() const {
    if (end_ < size_)
        return range_header(position_, end_);
    return position_ == 0 ? "" : cat("Range: bytes=", position_, '-');
}

void BlobReceiver::begin(const Response& head) {
    const Reply reply = take_up(head);
    if (watch_)
        watch_(reply);
}

BlobReceiver::Reply BlobReceiver::take_up(const Response& head) {
    skip_ = 0;
    const auto length = head.content_length();
    const auto told = head.find("content-range");
    if (head.status != 206 && !told) {
        // The range was not asked for, or not understood: this is the whole.
        if (length && *length != size_)
            throw Error(ErrorKind::data_loss, "the registry sends ", *length, " bytes, the descriptor says ", size_);
        skip_ = position_;
        end_ = size_;
        return Reply::whole;
    }
    if (is_exactly(head, position_, end_, size_))
        return Reply::exact;
    const auto range = parse_content_range(told.value_or(""));
    if (!range || range->first != position_ || range->last >= size_ || (range->size && *range->size != size_))
        throw BadRange("the registry sends another range than bytes ", position_, " to ", end_ - 1, ": \"",
                       printable(told.value_or("")), '"');
    end_ = std::max(end_, range->last + 1);
    return Reply::other;
}

void BlobReceiver::write(std::span<const std::byte> bytes) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
    skip_ -= skipped;
    bytes = bytes.subspan(skipped);
    if (bytes.empty())
        return;
    if (bytes.size() > end_ - position_)
        throw Error(ErrorKind::data_loss, "the registry sends more than ",
                    end_ == size_ ? cat("the ", size_, " bytes of the descriptor") : cat("what was asked for"));
    try {
        sink_.write(bytes);
    } catch (...) {
        sink_failure_ = std::current_exception();
        throw;
    }
    position_ += bytes.size();
}

} // namespace lade::registry
