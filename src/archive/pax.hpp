// SPDX-License-Identifier: Apache-2.0
// PAX extended header records, "<length> <key>=<value>\n" each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "archive/tar.hpp"

namespace lade::archive {

struct PaxRecords {
    std::map<std::string, std::string> values; // the last one of a key wins; an empty value takes it back
    std::vector<std::string> sparse_map;       // offsets and lengths of format 0.0, in their order
};

// invalid_argument when a record is malformed.
PaxRecords parse_pax(std::string_view text);

// "seconds[.fraction]", possibly negative. invalid_argument names the key.
EntryTime parse_pax_time(std::string_view key, std::string_view value);
// A decimal number from 0 to 2^63 - 1. invalid_argument names the key.
std::uint64_t parse_pax_number(std::string_view key, std::string_view value);

// Times outside 0 .. 2^63 ns since the epoch are the epoch (registry-and-unpack.md 5.3).
EntryTime bounded(EntryTime time);

} // namespace lade::archive
