// SPDX-License-Identifier: Apache-2.0
// A text as a request's body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/stream.hpp"
#include "registry/http.hpp"

namespace lade::registry {

// The text outlives it.
class TextSender final : public Sender {
public:
    explicit TextSender(std::string_view text) : text_(text), rest_(text) {}
    std::uint64_t size() const override { return text_.size(); }
    void rewind() override { rest_ = StringSource(text_); }
    std::size_t read(std::span<std::byte> into) override { return rest_.read(into); }

private:
    std::string_view text_;
    StringSource rest_;
};

} // namespace lade::registry
