// SPDX-License-Identifier: Apache-2.0
// A part of a blob as a request's body.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "registry/blob_content.hpp"
#include "registry/http.hpp"

namespace lade::registry {

// The bytes [begin, end) of a blob as a request's body; what is given outlives it.
class PieceSender final : public Sender {
public:
    PieceSender(CheckedContent& content, std::uint64_t begin, std::uint64_t end)
        : content_(content), begin_(begin), end_(end), position_(begin) {}

    std::uint64_t size() const override { return end_ - begin_; }
    void rewind() override { position_ = begin_; }
    std::size_t read(std::span<std::byte> into) override {
        if (position_ == end_)
            return 0;
        content_.seek(position_);
        const std::size_t n =
            content_.read(into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), end_ - position_))));
        position_ += n;
        return n;
    }

private:
    CheckedContent& content_;
    std::uint64_t begin_;
    std::uint64_t end_;
    std::uint64_t position_;
};

} // namespace lade::registry
