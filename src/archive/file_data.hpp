// SPDX-License-Identifier: Apache-2.0
// What is in files and links of a tree. Holes are zeros that are not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace lade::archive {

// All three: errors of throw_moved(). A directory, for its names.
Fd open_directory(int directory, const std::string& name);
// A regular file for reading.
Fd open_file(int directory, const std::string& name);
// The text of a symbolic link.
std::string read_link(int directory, const std::string& name);

// A regular file from its begin to the end that it had when this was made, piece by piece.
class FileData {
public:
    // `file` stays the caller's; its position is used.
    explicit FileData(int file);

    std::uint64_t size() const noexcept { return size_; }
    std::uint64_t position() const noexcept { return position_; }
    bool at_end() const noexcept { return position_ == size_; }
    // Bytes of a hole from the position on, at least.
    std::uint64_t find_hole() const;
    void skip(std::uint64_t count) noexcept { position_ += count; }
    // The next bytes, at most `most`, valid until the next call; never none before the end. failed_precondition: the
    // file has become shorter.
    std::span<const std::byte> read(std::uint64_t most = UINT64_MAX);

private:
    int file_;
    std::uint64_t size_;
    std::uint64_t position_ = 0;
    std::vector<std::byte> buffer_;
};

bool same_data(const Fd& one, const Fd& other, const std::stop_token& stop);

} // namespace lade::archive
