// SPDX-License-Identifier: Apache-2.0
// Sources that can leave out bytes without reading them: what an archive is that lies in a file.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/stream.hpp"

namespace lade::archive {

class SkippingSource : public Source {
public:
    // Leaves out up to `count` bytes and returns how many; fewer only at the end.
    virtual std::uint64_t skip(std::uint64_t count) = 0;
};

// A file, read through a descriptor the caller keeps open. It ends where it ended when this was made.
class SkippingFile final : public SkippingSource {
public:
    SkippingFile(int fd, std::string what);
    std::size_t read(std::span<std::byte> into) override;
    std::uint64_t skip(std::uint64_t count) override;

private:
    int fd_;
    std::string what_;
    std::uint64_t offset_ = 0;
    std::uint64_t size_ = 0;
};

} // namespace lade::archive
