// SPDX-License-Identifier: Apache-2.0
// A source that has its file to itself.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "base/stream.hpp"

namespace lade::transfer {

// Reads `file` from `offset` to its end, and closes it when it goes. `name` stands for it in errors, which are those of
// FileSource.
class OwnedFile final : public Source {
public:
    OwnedFile(Fd file, std::string name, std::uint64_t offset)
        : file_(std::move(file)), source_(file_.get(), std::move(name), offset) {}
    std::size_t read(std::span<std::byte> into) override { return source_.read(into); }

private:
    Fd file_;
    FileSource source_;
};

} // namespace lade::transfer
