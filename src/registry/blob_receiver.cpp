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

void BlobReceiver::begin(const Response& head) {
    skip_ = 0;
    const auto length = head.content_length();
    const auto told = head.find("content-range");
    if (head.status != 206 && !told) {
        // The range was not asked for, or not understood: this is the whole.
        skip_ = position_;
        if (length && *length != size_)
            throw Error(ErrorKind::data_loss, "the registry sends ", *length, " bytes, the descriptor says ", size_);
        return;
    }
    const auto range = parse_content_range(told.value_or(""));
    if (!range || range->first != position_ || range->last >= size_ || (range->size && *range->size != size_))
        throw Error(ErrorKind::data_loss, "the registry sends another range than bytes ", position_, " to ", size_ - 1,
                    ": \"", printable(told.value_or("")), '"');
}

void BlobReceiver::write(std::span<const std::byte> bytes) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
    skip_ -= skipped;
    bytes = bytes.subspan(skipped);
    if (bytes.empty())
        return;
    if (bytes.size() > size_ - position_)
        throw Error(ErrorKind::data_loss, "the registry sends more than the ", size_, " bytes of the descriptor");
    sink_.write(bytes);
    position_ += bytes.size();
}

} // namespace lade::registry
