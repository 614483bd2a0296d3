// SPDX-License-Identifier: Apache-2.0
// Standard output: data and nothing else.
#pragma once

#include <span>
#include <stop_token>
#include <utility>

#include "base/stream.hpp"

namespace lade::cli {

// Throws when stdout cannot take the bytes (resource_exhausted, internal), and Error cancelled when `stop` is
// requested while nobody reads them.
class Output final : public Sink {
public:
    explicit Output(std::stop_token stop) : stop_(std::move(stop)) {}
    void write(std::span<const std::byte> bytes) override;

private:
    std::stop_token stop_;
};

} // namespace lade::cli
