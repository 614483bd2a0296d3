// SPDX-License-Identifier: Apache-2.0
#include "archive/tar_header.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t checksum_at = 148;
constexpr std::size_t checksum_size = 8;
constexpr std::size_t prefix_at = 345;
constexpr std::size_t ustar_prefix = 155;

std::string_view trim_field(std::string_view field) {
    const std::size_t first = field.find_first_not_of(std::string_view(" \0", 2));
    if (first == std::string_view::npos)
        return {};
    return field.substr(first, field.find_last_not_of(std::string_view(" \0", 2)) - first + 1);
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::optional<std::int64_t> octal(std::string_view raw) {
    const std::string_view digits = trim_field(raw);
    std::int64_t value = 0;
    for (const char c : digits.substr(0, digits.find('\0'))) {
        if (c < '0' || c > '7')
            return std::nullopt;
        value = value * 8 + (c - '0');
    }
    return value;
}

// Two's complement, big endian, without the marker bit.
std::optional<std::int64_t> base_256(std::string_view raw) {
    const bool negative = (static_cast<unsigned char>(raw[0]) & 0x40U) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        auto byte = static_cast<unsigned char>(raw[i]);
        if (i == 0)
            byte = static_cast<unsigned char>(negative ? byte | 0x80U : byte & 0x7fU);
        const std::uint64_t top = value >> 55U;
        if (top != 0 && top != 0x1ff)
            return std::nullopt;
        value = (value << 8U) | byte;
    }
    return static_cast<std::int64_t>(value);
}

} // namespace

bool TarHeader::is_zero(std::span<const std::byte> block) {
    return std::ranges::all_of(block, [](std::byte b) { return b == std::byte{0}; });
}

TarHeader TarHeader::continuation(std::span<const std::byte> block) {
    TarHeader header;
    header.block_ = as_text(block);
    return header;
}

TarHeader::TarHeader(std::span<const std::byte> block) : block_(as_text(block)) {
    check_sum();
    mode_ = number(100, 8, "mode");
    uid_ = number(108, 8, "uid");
    gid_ = number(116, 8, "gid");
    size_ = number(124, 12, "size");
    mtime_ = number(136, 12, "mtime");
    const Format kind = format();
    if (kind == Format::v7)
        return;
    major_ = number(329, 8, "device major");
    minor_ = number(337, 8, "device minor");
    if (kind == Format::ustar)
        prefix_ = text(prefix_at, ustar_prefix);
    else if (kind == Format::star)
        read_star();
    else
        read_gnu();
}

void TarHeader::check_sum() const {
    std::int64_t plain = 0;
    std::int64_t with_sign = 0;
    for (std::size_t i = 0; i < tar_block; ++i) {
        const char c = i >= checksum_at && i < checksum_at + checksum_size ? ' ' : block_[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    const auto want = octal(std::string_view(block_).substr(checksum_at, checksum_size));
    if (want != plain && want != with_sign)
        throw Error(ErrorKind::invalid_argument, "tar: header checksum does not fit");
}

void TarHeader::read_star() {
    constexpr std::size_t star_prefix = 131;
    prefix_ = text(prefix_at, star_prefix);
    atime_ = number(476, 12, "atime");
    number(488, 12, "ctime");
}

// The format has times where ustar has its prefix, but the archives of Go before 1.8 have a prefix there all the same:
// what cannot be a time is one.
void TarHeader::read_gnu() {
    constexpr std::size_t ctime_at = 357;
    const bool has_atime = block_[prefix_at] != '\0';
    const auto atime = find_number(prefix_at, 12);
    if ((has_atime && !atime) || (block_[ctime_at] != '\0' && !find_number(ctime_at, 12))) {
        if (std::string prefix = text(prefix_at, ustar_prefix); is_ascii(prefix))
            prefix_ = std::move(prefix);
    } else if (has_atime) {
        atime_ = atime;
    }
}

TarHeader::Format TarHeader::format() const noexcept {
    const std::string_view block = block_;
    if (block.substr(257, 8) == std::string_view("ustar  \0", 8))
        return Format::gnu;
    // Any version: writers disagree about it.
    if (block.substr(257, 6) != std::string_view("ustar\0", 6))
        return Format::v7;
    return block.substr(508, 4) == std::string_view("tar\0", 4) ? Format::star : Format::ustar;
}

std::string TarHeader::text(std::size_t at, std::size_t size) const {
    const std::string_view field = std::string_view(block_).substr(at, size);
    return std::string(field.substr(0, field.find('\0')));
}

std::optional<std::int64_t> TarHeader::find_number(std::size_t at, std::size_t size) const {
    const std::string_view raw = std::string_view(block_).substr(at, size);
    return (static_cast<unsigned char>(raw[0]) & 0x80U) != 0 ? base_256(raw) : octal(raw);
}

std::int64_t TarHeader::number(std::size_t at, std::size_t size, std::string_view field) const {
    const auto value = find_number(at, size);
    if (!value)
        throw Error(ErrorKind::invalid_argument, "tar: ", field, " is not a number, or too large");
    return *value;
}

} // namespace lade::archive
