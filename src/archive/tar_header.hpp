// SPDX-License-Identifier: Apache-2.0
// The 512-byte header block of a tar entry, as the formats v7, ustar, GNU and star fill it; which format it is, and
// what then counts, is decided as Go's archive/tar decides it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lade::archive {

inline constexpr std::size_t tar_block = 512;
// What lies between `size` bytes of data and the next block.
constexpr std::uint64_t tar_padding(std::uint64_t size) {
    return (tar_block - size % tar_block) % tar_block;
}

class TarHeader {
public:
    // Takes a copy of one block. invalid_argument: the checksum does not fit (signed and unsigned sums count), or a
    // number that the format has is none (octal, or base 256), whether the entry's type has a use for it or not.
    explicit TarHeader(std::span<const std::byte> block);

    static bool is_zero(std::span<const std::byte> block);

    char type() const noexcept { return block_[156]; }
    bool is_gnu() const noexcept { return format() == Format::gnu; }
    // With the prefix where the format has one.
    std::string name() const { return prefix_.empty() ? text(0, 100) : prefix_ + "/" + text(0, 100); }
    std::string link() const { return text(157, 100); }
    std::int64_t mode() const noexcept { return mode_; }
    std::int64_t uid() const noexcept { return uid_; }
    std::int64_t gid() const noexcept { return gid_; }
    std::int64_t size() const noexcept { return size_; }
    std::int64_t mtime() const noexcept { return mtime_; }
    std::optional<std::int64_t> atime() const noexcept { return atime_; }
    // 0 where the format has no such field.
    std::int64_t major() const noexcept { return major_; }
    std::int64_t minor() const noexcept { return minor_; }

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
    void check_sum() const;
    void read_star();
    void read_gnu();
    std::string text(std::size_t at, std::size_t size) const;
    std::optional<std::int64_t> find_number(std::size_t at, std::size_t size) const;
    std::int64_t number(std::size_t at, std::size_t size, std::string_view field) const;

    std::string block_;
    std::string prefix_;
    std::int64_t mode_ = 0;
    std::int64_t uid_ = 0;
    std::int64_t gid_ = 0;
    std::int64_t size_ = 0;
    std::int64_t mtime_ = 0;
    std::optional<std::int64_t> atime_;
    std::int64_t major_ = 0;
    std::int64_t minor_ = 0;
};

} // namespace lade::archive
