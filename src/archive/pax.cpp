// SPDX-License-Identifier: Apache-2.0
#include "archive/pax.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

[[noreturn]] void malformed(std::string_view what) {
    throw Error(ErrorKind::invalid_argument, "tar: malformed extended header: ", what);
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

} // namespace

PaxRecords parse_pax(std::string_view text) {
    PaxRecords records;
    while (!text.empty()) {
        const std::size_t space = text.find(' ');
        const std::string_view digits = text.substr(0, space);
        const auto length = is_digits(digits) ? parse_number(digits) : std::nullopt;
        if (space == std::string_view::npos || !length || *length <= space + 1 || *length > text.size() ||
            text[*length - 1] != '\n')
            malformed("record length");
        const std::string_view record = text.substr(space + 1, *length - space - 2);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0)
            malformed("record without a key");
        const std::string key(record.substr(0, equals));
        const std::string value(record.substr(equals + 1));
        const bool is_text = key == "path" || key == "linkpath" || key == "uname" || key == "gname";
        if (key.find('\0') != std::string::npos || (is_text && value.find('\0') != std::string::npos))
            malformed("NUL in a name");
        if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
            const bool expects_offset = records.sparse_map.size() % 2 == 0;
            if ((key == "GNU.sparse.offset") != expects_offset || value.find(',') != std::string::npos)
                malformed("sparse map");
            records.sparse_map.push_back(value);
        } else {
            records.values.insert_or_assign(key, value);
        }
        text.remove_prefix(*length);
    }
    return records;
}

EntryTime parse_pax_time(std::string_view key, std::string_view value) {
    const bool negative = value.starts_with('-');
    const std::string_view digits = value.substr(negative ? 1 : 0);
    const std::size_t dot = digits.find('.');
    const std::string_view whole = digits.substr(0, dot);
    std::string fraction(dot == std::string_view::npos ? "" : digits.substr(dot + 1));
    const auto seconds = is_digits(whole) ? parse_number(whole) : std::nullopt;
    if (!seconds || *seconds > INT64_MAX || (!fraction.empty() && !is_digits(fraction)))
        malformed(cat(key, " is not a time"));
    fraction.resize(9, '0');
    EntryTime time{.seconds = static_cast<std::int64_t>(*seconds),
                   .nanoseconds = static_cast<std::int64_t>(*parse_number(fraction))};
    if (negative)
        time.seconds = -std::max<std::int64_t>(time.seconds, 1);
    return time;
}

std::uint64_t parse_pax_number(std::string_view key, std::string_view value) {
    const auto number = parse_number(value);
    if (!number || *number > INT64_MAX)
        malformed(cat(key, " is not a number"));
    return *number;
}

EntryTime bounded(EntryTime time) {
    constexpr std::int64_t last_second = INT64_MAX / 1'000'000'000;
    if (time.seconds < 0 || time.seconds > last_second)
        return {};
    return time;
}

} // namespace lade::archive
