// SPDX-License-Identifier: Apache-2.0
// Standard output: data and nothing else.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>

#include "base/fd.hpp"
#include "base/stream.hpp"

namespace lade::cli {

// False when stdout is a pipe or terminal whose other end is gone.
bool has_reader();

// Throws when stdout cannot take the bytes (resource_exhausted, internal), and Error cancelled when `stop` is
// requested while nobody reads them.
class Output final : public Sink {
public:
    explicit Output(std::stop_token stop);
    void write(std::span<const std::byte> bytes) override;

private:
    std::size_t write_some(std::span<const std::byte> bytes) const;

    std::stop_token stop_;
    Fd own_; // of a pipe or terminal: one that never blocks
    std::size_t piece_;
};

} // namespace lade::cli
