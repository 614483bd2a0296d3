// SPDX-License-Identifier: Apache-2.0
#include "archive/tar.hpp"

#include <algorithm>
#include <cstring>

#include "archive/pax.hpp"
#include "archive/tar_header.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t buffer_size = 256 * kib;
constexpr std::uint64_t max_id = 4'294'967'294; // the largest that is not "leave it as it is" to chown
constexpr std::uint64_t max_device = 4'294'967'295;

std::uint64_t in_range(std::int64_t value, std::uint64_t most, std::string_view field) {
    if (value < 0 || static_cast<std::uint64_t>(value) > most)
        throw Error(ErrorKind::invalid_argument, "tar: ", field, ' ', value, " is out of range");
    return static_cast<std::uint64_t>(value);
}

EntryType type_of(char flag, std::string_view name) {
    switch (flag) {
    case '\0':
        return name.ends_with('/') ? EntryType::directory : EntryType::file;
    case '0':
    case '7':
    case 'S':
        return EntryType::file;
    case '1':
        return EntryType::hard_link;
    case '2':
        return EntryType::symlink;
    case '3':
        return EntryType::char_device;
    case '4':
        return EntryType::block_device;
    case '5':
        return EntryType::directory;
    case '6':
        return EntryType::fifo;
    default:
        throw Error(ErrorKind::invalid_argument, "tar: entry ", printable(name), " has the unknown type \"",
                    printable(std::string_view(&flag, 1)), "\"");
    }
}

bool before(const EntryTime& a, const EntryTime& b) {
    return a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds < b.nanoseconds);
}

} // namespace

struct TarReader::Pending {
    PaxRecords pax;
    std::string gnu_name; // empty: none
    std::string gnu_link;
};

// At least one more byte, or false at the end of the source.
bool TarReader::fill() {
    if (at_end_)
        return false;
    if (buffer_.empty())
        buffer_.resize(buffer_size);
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    const std::size_t n = tar_.read(std::span(buffer_).subspan(end_));
    end_ += n;
    bytes_ += n;
    at_end_ = n == 0;
    return n > 0;
}

std::optional<std::span<const std::byte>> TarReader::find_block() {
    while (end_ - begin_ < tar_block && fill()) {
    }
    if (end_ == begin_)
        return std::nullopt;
    if (end_ - begin_ < tar_block)
        throw Error(ErrorKind::data_loss, "tar: cut short inside a header");
    const auto block = std::span<const std::byte>(buffer_).subspan(begin_, tar_block);
    begin_ += tar_block;
    return block;
}

std::span<const std::byte> TarReader::get_block(std::string_view what) {
    const auto block = find_block();
    if (!block)
        throw Error(ErrorKind::data_loss, "tar: cut short inside ", what);
    return *block;
}

std::span<const std::byte> TarReader::data() {
    while (extent_ < extents_.size() && extent_done_ == extents_[extent_].length) {
        ++extent_;
        extent_done_ = 0;
    }
    if (extent_ == extents_.size())
        return {};
    if (begin_ == end_ && !fill())
        throw Error(ErrorKind::data_loss, "tar: cut short inside an entry");
    const Extent& extent = extents_[extent_];
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - begin_, extent.length - extent_done_));
    const auto bytes = std::span<const std::byte>(buffer_).subspan(begin_, count);
    position_ = extent.offset + extent_done_;
    extent_done_ += count;
    stored_ -= count;
    begin_ += count;
    return bytes;
}

void TarReader::skip_stored() {
    for (std::uint64_t* part : {&stored_, &padding_})
        while (*part > 0) {
            if (begin_ == end_ && skipping_ != nullptr) {
                const std::uint64_t skipped = skipping_->skip(*part);
                bytes_ += skipped;
                *part -= skipped;
            }
            if (*part > 0 && begin_ == end_ && !fill()) {
                // An archive may end right behind the data of its last entry.
                if (part == &padding_)
                    return;
                throw Error(ErrorKind::data_loss, "tar: cut short inside an entry");
            }
            const std::uint64_t count = std::min<std::uint64_t>(end_ - begin_, *part);
            begin_ += static_cast<std::size_t>(count);
            *part -= count;
        }
}

std::optional<std::uint64_t> TarReader::data_offset() const noexcept {
    if (extents_.size() != 1 || extents_.front().offset != 0 || extents_.front().length != stored_)
        return std::nullopt;
    return bytes_ - (end_ - begin_);
}

void TarReader::drain() {
    begin_ = end_;
    if (skipping_ != nullptr)
        bytes_ += skipping_->skip(UINT64_MAX);
    do
        begin_ = end_;
    while (fill());
}

std::string TarReader::read_extension(const TarHeader& header) {
    const std::int64_t size = header.size();
    if (size < 0 || static_cast<std::uint64_t>(size) > max_extension)
        throw Error(ErrorKind::invalid_argument, "tar: extended header of ", size, " bytes, at most ", max_extension,
                    " are allowed");
    stored_ = static_cast<std::uint64_t>(size);
    padding_ = tar_padding(stored_);
    extents_ = {{.offset = 0, .length = stored_}};
    extent_ = 0;
    extent_done_ = 0;
    std::string text;
    for (auto part = data(); !part.empty(); part = data())
        text.append(as_text(part));
    skip_stored();
    return text;
}

std::optional<Entry> TarReader::next() {
    skip_stored();
    Pending pending;
    bool extended = false;
    for (;;) {
        const auto block = find_block();
        if (!block || TarHeader::is_zero(*block)) {
            if (extended)
                throw Error(ErrorKind::data_loss, "tar: ends behind an extended header");
            if (block)
                if (const auto second = find_block(); second && !TarHeader::is_zero(*second))
                    throw Error(ErrorKind::invalid_argument, "tar: a lone zero block between entries");
            has_end_mark_ = block.has_value();
            drain();
            return std::nullopt;
        }
        const TarHeader header(*block);
        switch (header.type()) {
        case 'x':
            pending.pax = parse_pax(read_extension(header));
            extended = true;
            break;
        case 'g':
            check_pax_values(parse_pax(read_extension(header)));
            // It counts as the entry that what came before it was about.
            pending = {};
            extended = false;
            break;
        case 'L':
        case 'K': {
            std::string text = read_extension(header);
            text.resize(std::min(text.size(), text.find('\0')));
            (header.type() == 'L' ? pending.gnu_name : pending.gnu_link) = std::move(text);
            extended = true;
            break;
        }
        default:
            return read_entry(header, pending);
        }
    }
}

Entry TarReader::read_entry(const TarHeader& header, const Pending& pending) {
    check_pax_values(pending.pax);
    const auto find = [&](const std::string& key) -> const std::string* {
        const auto value = pending.pax.values.find(key);
        return value == pending.pax.values.end() || value->second.empty() ? nullptr : &value->second;
    };
    const auto number = [&](const std::string& key, std::int64_t from_header) {
        const std::string* value = find(key);
        return value == nullptr ? from_header : parse_pax_integer(key, *value);
    };
    Entry entry;
    const auto text = [&](const std::string& gnu, const std::string& key, const std::string& from_header) {
        if (!gnu.empty())
            return gnu;
        const std::string* value = find(key);
        return value == nullptr ? from_header : *value;
    };
    entry.name = text(pending.gnu_name, "path", header.name());
    entry.link = text(pending.gnu_link, "linkpath", header.link());
    entry.type = type_of(header.type(), entry.name);
    entry.mode = static_cast<mode_t>(header.mode()) & 07777U;
    entry.uid = static_cast<uid_t>(in_range(number("uid", header.uid()), max_id, "uid"));
    entry.gid = static_cast<gid_t>(in_range(number("gid", header.gid()), max_id, "gid"));
    if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
        entry.major = static_cast<std::uint32_t>(in_range(header.major(), max_device, "device major"));
        entry.minor = static_cast<std::uint32_t>(in_range(header.minor(), max_device, "device minor"));
    }
    entry.mtime = bounded({.seconds = header.mtime(), .nanoseconds = 0});
    if (const std::string* time = find("mtime"))
        entry.mtime = bounded(parse_pax_time("mtime", *time));
    entry.atime = bounded({.seconds = header.atime().value_or(0), .nanoseconds = 0});
    if (const std::string* time = find("atime"))
        entry.atime = bounded(parse_pax_time("atime", *time));
    if (before(entry.atime, entry.mtime))
        entry.atime = entry.mtime;
    for (const auto& [key, value] : pending.pax.values)
        if (key.starts_with(pax_xattr) && key.size() > pax_xattr.size())
            entry.xattrs.emplace(key.substr(pax_xattr.size()), value);

    const std::int64_t size = number("size", header.size());
    const bool has_data = entry.type == EntryType::file;
    if (has_data && (size < 0 || header.size() < 0))
        throw Error(ErrorKind::invalid_argument, "tar: entry ", printable(entry.name), " has a negative size");
    // Other types have no data whatever their size says, as Go and GNU tar read them.
    stored_ = has_data ? static_cast<std::uint64_t>(size) : 0;
    padding_ = tar_padding(stored_);
    entry.size = stored_;
    extents_ = {{.offset = 0, .length = stored_}};
    extent_ = 0;
    extent_done_ = 0;
    if (header.type() == 'S')
        read_old_sparse_map(entry, header);
    else
        read_sparse_map(entry, pending.pax);
    return entry;
}

} // namespace lade::archive
