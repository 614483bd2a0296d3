// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/stream.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

// Counts on the board what is read, as CountingSink does what is written.
class CountingSource final : public Source {
public:
    CountingSource(Source& inner, Item& item) : inner_(inner), item_(item) {}
    std::size_t read(std::span<std::byte> into) override {
        const std::size_t n = inner_.read(into);
        item_.advance(n);
        return n;
    }

private:
    Source& inner_;
    Item& item_;
};

} // namespace lade::transfer
