// SPDX-License-Identifier: Apache-2.0
#include "archive/tar_writer.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "archive/pax.hpp"
#include "archive/tar_header.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

using Records = std::map<std::string, std::string>;

constexpr std::size_t name_size = 100;
constexpr std::size_t prefix_size = 155;
constexpr std::size_t buffer_size = 128 * kib;

constexpr std::uint64_t largest_octal(std::size_t field) {
    return (std::uint64_t{1} << (3 * (field - 1))) - 1;
}

void put_text(std::string& block, std::size_t at, std::string_view text) {
    block.replace(at, text.size(), text);
}

void put_octal(std::string& block, std::size_t at, std::size_t field, std::uint64_t value) {
    for (std::size_t i = field - 1; i-- > 0; value >>= 3U)
        block[at + i] = static_cast<char>('0' + (value & 7U));
}

// A number that is too large for its field stands in a record, and 0 in the field.
void put_number(std::string& block, std::size_t at, std::size_t field, std::uint64_t value, const std::string& key,
                Records& records) {
    const bool fits = value <= largest_octal(field);
    put_octal(block, at, field, fits ? value : 0);
    if (!fits)
        records.insert_or_assign(key, std::to_string(value));
}

// Where the slash lies that the header's prefix ends at; npos: the name cannot be cut in two.
std::size_t cut_of(std::string_view name) {
    if (name.size() > prefix_size + 1 + name_size)
        return std::string_view::npos;
    const std::size_t cut = name.rfind('/', std::min(prefix_size, name.size() - 2));
    return cut == 0 || cut == std::string_view::npos || name.size() - cut - 1 > name_size ? std::string_view::npos
                                                                                          : cut;
}

void put_name(std::string& block, std::string_view name, Records& records) {
    constexpr std::size_t prefix_at = 345;
    if (name.size() <= name_size) {
        put_text(block, 0, name);
    } else if (const std::size_t cut = cut_of(name); cut != std::string_view::npos) {
        put_text(block, prefix_at, name.substr(0, cut));
        put_text(block, 0, name.substr(cut + 1));
    } else {
        put_text(block, 0, name.substr(0, name_size));
        records.insert_or_assign("path", std::string(name));
    }
}

void put_link(std::string& block, std::string_view link, Records& records) {
    put_text(block, 157, link.substr(0, name_size));
    if (link.size() > name_size)
        records.insert_or_assign("linkpath", std::string(link));
}

void put_time(std::string& block, const EntryTime& time, Records& records) {
    constexpr std::size_t field = 12;
    const bool fits = time.seconds >= 0 && static_cast<std::uint64_t>(time.seconds) <= largest_octal(field);
    put_octal(block, 136, field, fits ? static_cast<std::uint64_t>(time.seconds) : 0);
    if (!fits || time.nanoseconds != 0)
        records.insert_or_assign("mtime", format_pax_time(time));
}

char flag_of(EntryType type) {
    switch (type) {
    case EntryType::file:
        return '0';
    case EntryType::hard_link:
        return '1';
    case EntryType::symlink:
        return '2';
    case EntryType::char_device:
        return '3';
    case EntryType::block_device:
        return '4';
    case EntryType::directory:
        return '5';
    case EntryType::fifo:
        return '6';
    }
    return '0';
}

std::string new_block(char flag) {
    std::string block(tar_block, '\0');
    block[156] = flag;
    put_text(block, 257, std::string_view("ustar\00000", 8));
    return block;
}

void put_checksum(std::string& block) {
    put_text(block, 148, "        ");
    std::uint64_t sum = 0;
    for (const char c : block)
        sum += static_cast<unsigned char>(c);
    put_octal(block, 148, 7, sum);
    block[154] = '\0';
}

// Whoever knows no extended headers makes a file of that name.
std::string extension_block(std::uint64_t size) {
    std::string block = new_block('x');
    put_text(block, 0, "././@PaxHeader");
    put_octal(block, 100, 8, 0644);
    put_octal(block, 108, 8, 0);
    put_octal(block, 116, 8, 0);
    put_octal(block, 124, 12, size);
    put_octal(block, 136, 12, 0);
    return block;
}

} // namespace

std::string tar_header(const Entry& entry) {
    Records records;
    std::string block = new_block(flag_of(entry.type));
    std::string name = entry.name;
    if (entry.type == EntryType::directory && !name.ends_with('/'))
        name += '/';
    put_name(block, name, records);
    put_link(block, entry.link, records);
    const bool has_data = entry.type == EntryType::file;
    put_octal(block, 100, 8, entry.mode & 07777U);
    put_number(block, 108, 8, entry.uid, "uid", records);
    put_number(block, 116, 8, entry.gid, "gid", records);
    put_number(block, 124, 12, has_data ? entry.size : 0, "size", records);
    put_time(block, entry.mtime, records);
    const bool is_device = entry.type == EntryType::char_device || entry.type == EntryType::block_device;
    for (const auto& [at, number] : {std::pair(329, entry.major), std::pair(337, entry.minor)}) {
        if (is_device && number > largest_octal(8))
            throw Error(ErrorKind::failed_precondition, printable(entry.name), ": device number ", number,
                        " does not fit into a tar");
        put_octal(block, static_cast<std::size_t>(at), 8, is_device ? number : 0);
    }
    for (const auto& [xattr, value] : entry.xattrs)
        if (TarWriter::has_room(xattr))
            records.insert_or_assign(cat(pax_xattr, xattr), value);
    std::string header;
    if (!records.empty()) {
        const std::string text = format_pax(records);
        if (text.size() > max_extension)
            throw Error(ErrorKind::failed_precondition, printable(entry.name), ": its name and xattrs take ",
                        text.size(), " bytes, at most ", max_extension, " fit into a tar");
        header = extension_block(text.size());
        put_checksum(header);
        header.append(text).append(static_cast<std::size_t>(tar_padding(text.size())), '\0');
    }
    put_checksum(block);
    return header + block;
}

void TarWriter::begin(const Entry& entry) {
    const std::string header = tar_header(entry);
    pad();
    put(as_bytes(header));
    missing_ = entry.type == EntryType::file ? entry.size : 0;
    padding_ = tar_padding(missing_);
}

void TarWriter::write(std::span<const std::byte> bytes) {
    if (bytes.size() > missing_)
        throw Error(ErrorKind::internal, "tar: more data than the entry has");
    missing_ -= bytes.size();
    put(bytes);
}

void TarWriter::write_zeros(std::uint64_t count) {
    static constexpr std::array<std::byte, 64 * kib> zeros{};
    for (; count > 0; count -= std::min<std::uint64_t>(count, zeros.size()))
        write(std::span(zeros).first(static_cast<std::size_t>(std::min<std::uint64_t>(count, zeros.size()))));
}

void TarWriter::put(std::span<const std::byte> bytes) {
    if (buffer_.size() + bytes.size() > buffer_size)
        pass_on();
    if (bytes.size() >= buffer_size)
        tar_.write(bytes);
    else
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void TarWriter::flush() {
    if (missing_ == 0)
        pad();
    pass_on();
}

void TarWriter::pass_on() {
    if (!buffer_.empty())
        tar_.write(buffer_);
    buffer_.clear();
}

void TarWriter::pad() {
    if (missing_ > 0)
        throw Error(ErrorKind::internal, "tar: less data than the entry has");
    static constexpr std::array<std::byte, tar_block> zeros{};
    put(std::span(zeros).first(static_cast<std::size_t>(padding_)));
    padding_ = 0;
}

void TarWriter::finish() {
    pad();
    static constexpr std::array<std::byte, 2 * tar_block> end{};
    put(end);
    pass_on();
}

} // namespace lade::archive
