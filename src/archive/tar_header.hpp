// SPDX-License-Identifier: Apache-2.0
// The 512-byte header block of a tar entry, as the formats v7, ustar, GNU and star fill it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lade::archive {

inline constexpr std::size_t tar_block = 512;

class TarHeader {
public:
    // Takes a copy of one block. invalid_argument: the checksum does not fit (signed and unsigned sums count).
    explicit TarHeader(std::span<const std::byte> block);

    static bool is_zero(std::span<const std::byte> block);

    char type() const noexcept { return block_[156]; }
    // With the prefix where the format has one.
    std::string name() const;
    std::string link() const { return text(157, 100); }
    // Octal, or base 256; invalid_argument names the field.
    std::int64_t mode() const { return number(100, 8, "mode"); }
    std::int64_t uid() const { return number(108, 8, "uid"); }
    std::int64_t gid() const { return number(116, 8, "gid"); }
    std::int64_t size() const { return number(124, 12, "size"); }
    std::int64_t mtime() const { return number(136, 12, "mtime"); }
    // 0 where the format has no such field.
    std::int64_t major() const { return has_extension() ? number(329, 8, "major") : 0; }
    std::int64_t minor() const { return has_extension() ? number(337, 8, "minor") : 0; }

    // Fields of GNU's old sparse format: four pairs in the header, 21 in a continuation block.
    std::int64_t sparse_field(std::size_t at) const { return number(at, 12, "sparse map"); }
    bool sparse_field_set(std::size_t at) const noexcept { return block_[at] != '\0'; }
    char raw(std::size_t at) const noexcept { return block_[at]; }

    // A block of the same layout without a checksum of its own.
    static TarHeader continuation(std::span<const std::byte> block);

private:
    TarHeader() = default;
    enum class Format { v7, ustar, gnu, star };
    Format format() const noexcept;
    bool has_extension() const noexcept { return format() != Format::v7; }
    std::string text(std::size_t at, std::size_t size) const;
    std::int64_t number(std::size_t at, std::size_t size, std::string_view field) const;

    std::string block_;
};

} // namespace lade::archive
