// SPDX-License-Identifier: Apache-2.0
// A buffered view of a source for decoders: what is there, and more of it.
#pragma once

#include <span>
#include <vector>

#include "base/size.hpp"
#include "base/stream.hpp"

namespace lade::archive {

class Input {
public:
    static constexpr std::size_t capacity = 256 * kib;

    explicit Input(Source& source) : source_(source) {}

    // The unread bytes; empty only at the end of the source.
    std::span<const std::byte> peek() {
        if (begin_ == end_ && !finished_) {
            buffer_.resize(capacity);
            begin_ = 0;
            end_ = source_.read(buffer_);
            finished_ = end_ == 0;
        }
        return std::span(buffer_).subspan(begin_, end_ - begin_);
    }
    void consume(std::size_t count) { begin_ += count; }

private:
    Source& source_;
    std::vector<std::byte> buffer_; // made by the first read: many decoders may wait at once
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool finished_ = false;
};

} // namespace lade::archive
