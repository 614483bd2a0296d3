// SPDX-License-Identifier: Apache-2.0
#include "archive/tar_header.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t checksum_at = 148;
constexpr std::size_t checksum_size = 8;

std::string_view trim_field(std::string_view field) {
    const std::size_t first = field.find_first_not_of(std::string_view(" \0", 2));
    if (first == std::string_view::npos)
        return {};
    return field.substr(first, field.find_last_not_of(std::string_view(" \0", 2)) - first + 1);
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
    std::int64_t plain = 0;
    std::int64_t with_sign = 0;
    for (std::size_t i = 0; i < tar_block; ++i) {
        const char c = i >= checksum_at && i < checksum_at + checksum_size ? ' ' : block_[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    const std::int64_t want = number(checksum_at, checksum_size, "checksum");
    if (want != plain && want != with_sign)
        throw Error(ErrorKind::invalid_argument, "tar: header checksum does not fit");
}

TarHeader::Format TarHeader::format() const noexcept {
    const std::string_view magic = std::string_view(block_).substr(257, 8);
    if (magic == std::string_view("ustar  \0", 8))
        return Format::gnu;
    if (magic != std::string_view("ustar\0"
                                  "00",
                                  8))
        return Format::v7;
    return std::string_view(block_).substr(508, 4) == std::string_view("tar\0", 4) ? Format::star : Format::ustar;
}

std::string TarHeader::text(std::size_t at, std::size_t size) const {
    const std::string_view field = std::string_view(block_).substr(at, size);
    return std::string(field.substr(0, field.find('\0')));
}

std::string TarHeader::name() const {
    constexpr std::size_t ustar_prefix = 155;
    constexpr std::size_t star_prefix = 131;
    const Format kind = format();
    std::string prefix;
    if (kind == Format::ustar || kind == Format::star)
        prefix = text(345, kind == Format::ustar ? ustar_prefix : star_prefix);
    return prefix.empty() ? text(0, 100) : prefix + "/" + text(0, 100);
}

std::int64_t TarHeader::number(std::size_t at, std::size_t size, std::string_view field) const {
    const std::string_view raw = std::string_view(block_).substr(at, size);
    const auto lead = static_cast<unsigned char>(raw[0]);
    if ((lead & 0x80U) != 0) {
        // Two's complement, big endian, without the marker bit.
        const bool negative = (lead & 0x40U) != 0;
        std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
        for (std::size_t i = 0; i < size; ++i) {
            auto byte = static_cast<unsigned char>(raw[i]);
            if (i == 0)
                byte = static_cast<unsigned char>(negative ? byte | 0x80U : byte & 0x7fU);
            const std::uint64_t top = value >> 55U;
            if (top != 0 && top != 0x1ff)
                throw Error(ErrorKind::invalid_argument, "tar: ", field, " is out of range");
            value = (value << 8U) | byte;
        }
        return static_cast<std::int64_t>(value);
    }
    const std::string_view digits = trim_field(raw);
    std::int64_t value = 0;
    for (const char c : digits.substr(0, digits.find('\0'))) {
        if (c < '0' || c > '7')
            throw Error(ErrorKind::invalid_argument, "tar: ", field, " is not a number");
        value = value * 8 + (c - '0');
    }
    return value;
}

} // namespace lade::archive
