// SPDX-License-Identifier: Apache-2.0
#include "archive/pax.hpp"

#include <charconv>
#include <optional>
#include <vector>

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

std::optional<std::int64_t> parse_integer(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-'))
            return std::nullopt;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace

PaxRecords parse_pax(std::string_view text) {
    PaxRecords records;
    std::vector<std::string> sparse_map;
    while (!text.empty()) {
        const std::size_t space = text.find(' ');
        const auto wanted = parse_integer(text.substr(0, space));
        if (space == std::string_view::npos || !wanted || *wanted < 0)
            malformed("record length");
        const auto length = static_cast<std::size_t>(*wanted);
        if (length <= space + 1 || length > text.size() || text[length - 1] != '\n')
            malformed("record length");
        const std::string_view record = text.substr(space + 1, length - space - 2);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0)
            malformed("record without a key");
        const std::string key(record.substr(0, equals));
        const std::string value(record.substr(equals + 1));
        const bool is_text = key == "path" || key == "linkpath" || key == "uname" || key == "gname";
        if (key.find('\0') != std::string::npos || (is_text && value.find('\0') != std::string::npos))
            malformed("NUL in a name");
        if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
            const bool expects_offset = sparse_map.size() % 2 == 0;
            if ((key == "GNU.sparse.offset") != expects_offset || value.find(',') != std::string::npos)
                malformed("sparse map");
            sparse_map.push_back(value);
        } else {
            records.values.insert_or_assign(key, value);
        }
        text.remove_prefix(length);
    }
    if (!sparse_map.empty())
        records.values.insert_or_assign("GNU.sparse.map", join(sparse_map, ","));
    return records;
}

void check_pax_values(const PaxRecords& records) {
    for (const auto& [key, value] : records.values) {
        if (value.empty())
            continue;
        if (key == "mtime" || key == "atime" || key == "ctime")
            parse_pax_time(key, value);
        else if (key == "uid" || key == "gid" || key == "size")
            parse_pax_integer(key, value);
    }
}

EntryTime parse_pax_time(std::string_view key, std::string_view value) {
    const std::size_t dot = value.find('.');
    const auto seconds = parse_integer(value.substr(0, dot));
    std::string fraction(dot == std::string_view::npos ? "" : value.substr(dot + 1));
    if (!seconds || (!fraction.empty() && !is_digits(fraction)))
        malformed(cat(key, " is not a time"));
    fraction.resize(9, '0');
    const auto nanoseconds = static_cast<std::int64_t>(*parse_number(fraction));
    // Just before the epoch is before it.
    if (value.starts_with('-') && *seconds == 0 && nanoseconds > 0)
        return {.seconds = -1, .nanoseconds = nanoseconds};
    return {.seconds = *seconds, .nanoseconds = nanoseconds};
}

std::int64_t parse_pax_integer(std::string_view key, std::string_view value) {
    const auto number = parse_integer(value);
    if (!number)
        malformed(cat(key, " is not a number"));
    return *number;
}

std::uint64_t parse_pax_number(std::string_view key, std::string_view value) {
    const std::int64_t number = parse_pax_integer(key, value);
    if (number < 0)
        malformed(cat(key, " is negative"));
    return static_cast<std::uint64_t>(number);
}

std::string format_pax(const std::map<std::string, std::string>& records) {
    std::string text;
    for (const auto& [key, value] : records) {
        // The length counts its own digits.
        const std::size_t rest = key.size() + value.size() + std::string_view(" =\n").size();
        std::size_t length = rest + 1;
        while (rest + std::to_string(length).size() != length)
            length = rest + std::to_string(length).size();
        text += cat(length, ' ', key, '=', value, '\n');
    }
    return text;
}

std::string format_pax_time(const EntryTime& time) {
    constexpr std::int64_t second = 1'000'000'000;
    // Before the epoch the fraction counts downwards.
    const bool borrows = time.seconds < 0 && time.nanoseconds > 0;
    const std::int64_t whole = borrows ? time.seconds + 1 : time.seconds;
    const std::int64_t part = borrows ? second - time.nanoseconds : time.nanoseconds;
    std::string text = cat(borrows && whole == 0 ? "-" : "", whole);
    if (part > 0) {
        std::string digits = std::to_string(part);
        digits.insert(0, 9 - digits.size(), '0');
        digits.erase(digits.find_last_not_of('0') + 1);
        text += "." + digits;
    }
    return text;
}

EntryTime bounded(EntryTime time) {
    constexpr std::int64_t last_second = INT64_MAX / 1'000'000'000;
    if (time.seconds < 0 || time.seconds > last_second)
        return {};
    return time;
}

} // namespace lade::archive
