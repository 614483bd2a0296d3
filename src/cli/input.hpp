// SPDX-License-Identifier: Apache-2.0
// Standard input as data.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>

#include "base/stream.hpp"

namespace lade::cli {

// Error cancelled when `stop` is requested while nobody writes.
class Input final : public Source {
public:
    explicit Input(std::stop_token stop) : stop_(std::move(stop)) {}
    std::size_t read(std::span<std::byte> into) override;

private:
    std::stop_token stop_;
};

} // namespace lade::cli
