// SPDX-License-Identifier: Apache-2.0
// Standard input as data, and what else has no end before somebody closes it.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>

#include "base/fd.hpp"
#include "base/stream.hpp"

namespace lade::cli {

// Error cancelled when `stop` is requested while nobody writes.
class Input final : public Source {
public:
    explicit Input(std::stop_token stop) : stop_(std::move(stop)) {}
    // A pipe or the like.
    Input(std::stop_token stop, Fd file, std::string what)
        : stop_(std::move(stop)), file_(std::move(file)), what_(std::move(what)) {}
    std::size_t read(std::span<std::byte> into) override;

private:
    std::stop_token stop_;
    Fd file_; // empty: standard input
    std::string what_ = "standard input";
};

} // namespace lade::cli
