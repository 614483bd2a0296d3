// SPDX-License-Identifier: Apache-2.0
// PAX extended header records, "<length> <key>=<value>\n" each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "archive/tar.hpp"
#include "base/size.hpp"

namespace lade::archive {

// The largest extended header that readers take, Go's and ours.
inline constexpr std::uint64_t max_extension = 1 * mib;
// The key of an xattr, before its name.
inline constexpr std::string_view pax_xattr = "SCHILY.xattr.";

struct PaxRecords {
    // The last one of a key wins; an empty value takes it back. The offsets and lengths of sparse format 0.0 are
    // joined to the map of format 0.1.
    std::map<std::string, std::string> values;
};

// invalid_argument when a record is malformed.
PaxRecords parse_pax(std::string_view text);
// invalid_argument when a record that says a number or a time of an entry does not, whether anybody uses it or not.
void check_pax_values(const PaxRecords& records);

// "seconds[.fraction]", possibly negative. invalid_argument names the key.
EntryTime parse_pax_time(std::string_view key, std::string_view value);
// A decimal number of 64 bits, with or without a sign. invalid_argument names the key.
std::int64_t parse_pax_integer(std::string_view key, std::string_view value);
// One that is not negative.
std::uint64_t parse_pax_number(std::string_view key, std::string_view value);

// The text of the records, in the order of their keys.
std::string format_pax(const std::map<std::string, std::string>& records);
// What parse_pax_time() reads: no more digits than the time has.
std::string format_pax_time(const EntryTime& time);

// Times outside 0 .. 2^63 ns since the epoch are the epoch (registry-and-unpack.md 5.3).
EntryTime bounded(EntryTime time);

} // namespace lade::archive
