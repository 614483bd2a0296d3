// SPDX-License-Identifier: Apache-2.0
// Sparse files in their four forms: GNU's old one, and PAX 0.0, 0.1 and 1.0.
#include <algorithm>

#include "archive/pax.hpp"
#include "archive/tar.hpp"
#include "archive/tar_header.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

// A map lives in memory, so it is bounded whatever the file's size.
constexpr std::size_t max_extents = 65'536;
constexpr std::size_t max_map_text = 1 * mib;

[[noreturn]] void bad_map(std::string_view why) {
    throw Error(ErrorKind::invalid_argument, "tar: malformed sparse map: ", why);
}

std::vector<Extent> pair_up(const std::vector<std::string>& numbers) {
    if (numbers.size() % 2 != 0)
        bad_map("an odd count of numbers");
    if (numbers.size() / 2 > max_extents)
        bad_map("too many pieces");
    std::vector<Extent> extents;
    for (std::size_t i = 0; i < numbers.size(); i += 2)
        extents.push_back({.offset = parse_pax_number("sparse offset", numbers[i]),
                           .length = parse_pax_number("sparse length", numbers[i + 1])});
    return extents;
}

std::vector<Extent> inline_extents(const PaxRecords& records) {
    const auto count = records.values.find("GNU.sparse.numblocks");
    if (count == records.values.end())
        bad_map("no count of pieces");
    const auto map = records.values.find("GNU.sparse.map");
    const bool empty = map == records.values.end() || map->second.empty();
    std::vector<Extent> extents = pair_up(empty ? std::vector<std::string>{} : split(map->second, ','));
    if (parse_pax_number("GNU.sparse.numblocks", count->second) != extents.size())
        bad_map("not as many pieces as it says");
    return extents;
}

} // namespace

void TarReader::check_extents(const Entry& entry) const {
    std::uint64_t end = 0;
    std::uint64_t sum = 0;
    for (const Extent& extent : extents_) {
        if (extent.offset < end || extent.offset > entry.size || extent.length > entry.size - extent.offset)
            bad_map("pieces overlap or lie outside the file");
        end = extent.offset + extent.length;
        sum += extent.length;
    }
    if (sum != stored_)
        bad_map("the pieces are not as long as the data");
}

void TarReader::read_sparse_map(Entry& entry, const PaxRecords& records) {
    const auto value = [&](const char* key) {
        const auto found = records.values.find(key);
        return found == records.values.end() ? std::string() : found->second;
    };
    const std::string major = value("GNU.sparse.major");
    const std::string minor = value("GNU.sparse.minor");
    const bool stored_map = major == "1" && minor == "0";
    const bool inline_map = (major == "0" && (minor == "0" || minor == "1")) ||
                            (major.empty() && minor.empty() && !value("GNU.sparse.map").empty());
    if (!stored_map && !inline_map)
        return;
    if (entry.type != EntryType::file)
        bad_map("the entry is no file");
    if (const std::string name = value("GNU.sparse.name"); !name.empty())
        entry.name = name;
    std::string size = value("GNU.sparse.size");
    if (size.empty())
        size = value("GNU.sparse.realsize");
    if (!size.empty())
        entry.size = parse_pax_number("GNU.sparse.size", size);
    extents_ = stored_map ? read_stored_map() : inline_extents(records);
    extent_ = 0;
    extent_done_ = 0;
    check_extents(entry);
}

// Decimal lines in front of the data, filled up to whole blocks: a count, then pairs.
std::vector<Extent> TarReader::read_stored_map() {
    std::string text;
    std::vector<std::string> numbers;
    std::size_t wanted = 1;
    while (numbers.size() < wanted) {
        if (stored_ < tar_block || text.size() > max_map_text)
            bad_map("longer than it may be");
        text.append(as_text(get_block("a sparse map")));
        stored_ -= tar_block;
        std::size_t begin = 0;
        for (std::size_t end = text.find('\n'); end != std::string::npos && numbers.size() < wanted;
             end = text.find('\n', begin)) {
            numbers.push_back(text.substr(begin, end - begin));
            begin = end + 1;
            if (numbers.size() == 1) {
                const std::uint64_t count = parse_pax_number("sparse count", numbers.front());
                if (count > max_extents)
                    bad_map("too many pieces");
                wanted = 1 + 2 * static_cast<std::size_t>(count);
            }
        }
        text.erase(0, begin);
    }
    numbers.erase(numbers.begin());
    return pair_up(numbers);
}

void TarReader::read_old_sparse_map(Entry& entry, const TarHeader& header) {
    constexpr std::size_t header_map = 386;
    constexpr std::size_t header_pairs = 4;
    constexpr std::size_t header_more = 482;
    constexpr std::size_t header_size = 483;
    constexpr std::size_t block_pairs = 21;
    constexpr std::size_t block_more = 504;
    constexpr std::size_t pair_size = 24;
    // star has the same type with another layout.
    if (!header.is_gnu())
        bad_map("of a format that has none");
    extents_.clear();
    const auto read_pairs = [&](const TarHeader& block, std::size_t at, std::size_t count) {
        for (std::size_t i = 0; i < count && block.sparse_field_set(at); ++i, at += pair_size) {
            const std::int64_t offset = block.sparse_field(at);
            const std::int64_t length = block.sparse_field(at + pair_size / 2);
            if (offset < 0 || length < 0 || extents_.size() == max_extents)
                bad_map("negative, or too many pieces");
            extents_.push_back(
                {.offset = static_cast<std::uint64_t>(offset), .length = static_cast<std::uint64_t>(length)});
        }
    };
    const std::int64_t size = header.sparse_field(header_size);
    if (size < 0)
        bad_map("negative size");
    entry.size = static_cast<std::uint64_t>(size);
    read_pairs(header, header_map, header_pairs);
    for (bool more = header.raw(header_more) != '\0'; more;) {
        const TarHeader block = TarHeader::continuation(get_block("a sparse map"));
        read_pairs(block, 0, block_pairs);
        more = block.raw(block_more) != '\0';
    }
    check_extents(entry);
}

} // namespace lade::archive
