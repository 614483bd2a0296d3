// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "base/error.hpp"

namespace lade {

namespace {

using std::chrono::nanoseconds;

bool digits(std::string_view text, std::size_t at, std::size_t count, int& value) {
    if (at + count > text.size())
        return false;
    const auto [end, failed] = std::from_chars(text.data() + at, text.data() + at + count, value);
    return failed == std::errc{} && end == text.data() + at + count && text[at] != '-' && text[at] != '+';
}

// C1 controls and the characters that reorder what a terminal shows.
bool deceptive(std::string_view sequence) {
    static constexpr std::array<std::string_view, 12> bidi{"\u061c", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c",
                                                           "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"};
    if (sequence.size() == 2 && static_cast<unsigned char>(sequence[0]) == 0xc2 &&
        static_cast<unsigned char>(sequence[1]) < 0xa0)
        return true;
    for (const std::string_view one : bidi)
        if (sequence == one)
            return true;
    return false;
}

// What a unit of sizes multiplies by; none is bytes.
std::optional<std::uint64_t> scale_of(std::string_view unit) {
    static constexpr std::string_view letters = "kmgtpe";
    std::string name = lower(trim(unit));
    if (name.empty() || name == "b")
        return 1;
    const std::size_t power = letters.find(name[0]);
    const std::uint64_t base = name.substr(1) == "b" ? 1000 : name.substr(1) == "ib" ? 1024 : 0;
    if (power == std::string_view::npos || base == 0)
        return std::nullopt;
    std::uint64_t scale = base;
    for (std::size_t i = 0; i < power; ++i)
        scale *= base;
    return scale;
}

} // namespace

Time now() {
    return std::chrono::time_point_cast<nanoseconds>(std::chrono::system_clock::now());
}

std::string rfc3339(Time time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto days = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(days);
    const std::chrono::hh_mm_ss clock(seconds - days);
    std::array<char, 64> text{};
    int size = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02ld:%02ld:%02ld",
                             static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                             static_cast<unsigned>(date.day()), static_cast<long>(clock.hours().count()),
                             static_cast<long>(clock.minutes().count()), static_cast<long>(clock.seconds().count()));
    std::string out(text.data(), static_cast<std::size_t>(size));
    if (const auto fraction = (time - seconds).count(); fraction != 0) {
        size = std::snprintf(text.data(), text.size(), ".%09ld", static_cast<long>(fraction));
        out.append(text.data(), static_cast<std::size_t>(size));
        out.erase(out.find_last_not_of('0') + 1);
    }
    return out + "Z";
}

std::optional<Time> parse_rfc3339(std::string_view text) {
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    const bool shape = text.size() >= 20 && text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't') &&
                       text[13] == ':' && text[16] == ':';
    if (!shape || !digits(text, 0, 4, year) || !digits(text, 5, 2, month) || !digits(text, 8, 2, day) ||
        !digits(text, 11, 2, hour) || !digits(text, 14, 2, minute) || !digits(text, 17, 2, second))
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok() || hour > 23 || minute > 59 || second > 60)
        return std::nullopt;
    std::size_t at = 19;
    long fraction = 0;
    if (text[at] == '.') {
        long unit = 100'000'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            fraction += (text[at] - '0') * unit;
    }
    const std::string_view zone = text.substr(at);
    std::chrono::minutes offset(0);
    if (zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':') {
        int hours = 0;
        int minutes = 0;
        if (!digits(zone, 1, 2, hours) || !digits(zone, 4, 2, minutes))
            return std::nullopt;
        offset = std::chrono::minutes((zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes));
    } else if (zone != "Z" && zone != "z") {
        return std::nullopt;
    }
    if (year < 1678 || year > 2261)
        return year < 1678 ? Time::min() : Time::max();
    return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) - offset +
           std::chrono::seconds(second) + nanoseconds(fraction);
}

std::string kib_size(std::uint64_t bytes) {
    static constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit)
        value /= 1024;
    std::array<char, 64> text{};
    const int size = std::snprintf(text.data(), text.size(), "%.1f %s", value, units.at(unit));
    return {text.data(), static_cast<std::size_t>(size)};
}

std::string si_size(std::uint64_t bytes) {
    static constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1000 && unit + 1 < units.size(); ++unit)
        value /= 1000;
    std::array<char, 64> text{};
    const int size = std::snprintf(text.data(), text.size(), "%.4g%s", value, units.at(unit));
    return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    const std::string_view number = text.substr(0, text.find_first_not_of("0123456789."));
    const auto scale = scale_of(text.substr(number.size()));
    if (!scale || number.empty() || number.front() == '.' || number.back() == '.')
        return std::nullopt;
    const std::size_t point = number.find('.');
    const auto whole = parse_number(number.substr(0, point));
    std::uint64_t bytes = 0;
    if (!whole || __builtin_mul_overflow(*whole, *scale, &bytes))
        return std::nullopt;
    if (point == std::string_view::npos)
        return bytes;
    double fraction = 0;
    const std::string digits_only = cat("0", number.substr(point));
    const auto [end, failed] = std::from_chars(digits_only.data(), digits_only.data() + digits_only.size(), fraction);
    if (failed != std::errc{} || end != digits_only.data() + digits_only.size() ||
        __builtin_add_overflow(bytes, std::llround(fraction * static_cast<double>(*scale)), &bytes))
        return std::nullopt;
    return bytes;
}

std::string age(nanoseconds elapsed) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
    const auto minutes = seconds / 60;
    const auto hours = static_cast<long>(std::lround(static_cast<double>(seconds) / 3600.0));
    if (seconds < 1)
        return "Less than a second";
    if (seconds == 1)
        return "1 second";
    if (seconds < 60)
        return cat(seconds, " seconds");
    if (minutes == 1)
        return "About a minute";
    if (minutes < 60)
        return cat(minutes, " minutes");
    if (hours == 1)
        return "About an hour";
    if (hours < 48)
        return cat(hours, " hours");
    if (hours / 24 / 7 < 2)
        return cat(hours / 24, " days");
    if (hours / 24 / 30 < 2)
        return cat(hours / 24 / 7, " weeks");
    if (hours / 24 / 365 < 2)
        return cat(hours / 24 / 30, " months");
    return cat(hours / 24 / 365, " years");
}

std::optional<nanoseconds> parse_duration(std::string_view text) {
    if (text == "0")
        return nanoseconds(0);
    if (text.empty())
        return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        const std::size_t unit_at = text.find_first_not_of("0123456789.");
        double value = 0;
        if (unit_at == 0 || unit_at == std::string_view::npos)
            return std::nullopt;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + unit_at, value);
        if (failed != std::errc{} || end != text.data() + unit_at)
            return std::nullopt;
        text.remove_prefix(unit_at);
        const std::string_view unit = text.substr(0, text.find_first_of("0123456789."));
        double scale = 0;
        if (unit == "h")
            scale = 3600e9;
        else if (unit == "m")
            scale = 60e9;
        else if (unit == "s")
            scale = 1e9;
        else if (unit == "ms")
            scale = 1e6;
        else if (unit == "us" || unit == "µs")
            scale = 1e3;
        else if (unit == "ns")
            scale = 1;
        else
            return std::nullopt;
        total += value * scale;
        text.remove_prefix(unit.size());
    }
    if (total > 9.2e18)
        return std::nullopt;
    return nanoseconds(static_cast<std::int64_t>(total));
}

std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    std::size_t length = 0;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    if (length == 0 || length > text.size())
        return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0U) != 0x80)
            return 0;
    // Overlong forms, surrogates and values past U+10FFFF.
    if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf0 && byte(1) < 0x90) ||
        (lead == 0xf4 && byte(1) > 0x8f))
        return 0;
    return length;
}

std::string printable(std::string_view bytes) {
    // Nearly everything is.
    if (std::ranges::all_of(bytes, [](char c) { return c >= 0x20 && c < 0x7f; }))
        return std::string(bytes);
    std::string out;
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        const std::string_view sequence = bytes.substr(0, length == 0 ? 1 : length);
        const auto lead = static_cast<unsigned char>(bytes[0]);
        if (length == 0 || lead < 0x20 || lead == 0x7f || deceptive(sequence)) {
            for (const char c : sequence) {
                std::array<char, 8> text{};
                const int size = std::snprintf(text.data(), text.size(), "\\x%02x",
                                               static_cast<unsigned>(static_cast<unsigned char>(c)));
                out.append(text.data(), static_cast<std::size_t>(size));
            }
        } else {
            out.append(sequence);
        }
        bytes.remove_prefix(sequence.size());
    }
    return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return parts;
        text.remove_prefix(end + 1);
    }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (const std::string& part : parts) {
        if (&part != parts.data())
            out.append(separator);
        out.append(part);
    }
    return out;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failed != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::string hex(const unsigned char* bytes, std::size_t count) {
    static constexpr std::string_view alphabet = "0123456789abcdef";
    std::string out;
    out.reserve(count * 2);
    for (std::size_t i = 0; i < count; ++i) {
        out.push_back(alphabet[bytes[i] >> 4U]);
        out.push_back(alphabet[bytes[i] & 15U]);
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        unsigned value = 0;
        if (text.size() - i < 3)
            return std::nullopt;
        const char* const first = text.data() + i + 1;
        const auto [end, failed] = std::from_chars(first, first + 2, value, 16);
        if (failed != std::errc{} || end != first + 2)
            return std::nullopt;
        out.push_back(static_cast<char>(value));
        i += 2;
    }
    return out;
}

std::string random_text(std::size_t count) {
    static constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string out(count, '\0');
    if (::getrandom(out.data(), count, 0) != static_cast<ssize_t>(count))
        throw Error(ErrorKind::internal, "no random bytes from the kernel");
    for (char& c : out)
        c = alphabet[static_cast<unsigned char>(c) % alphabet.size()];
    return out;
}

} // namespace lade
