// SPDX-License-Identifier: Apache-2.0
// Text for people and for columns: sizes, times, ages, safe printing of foreign bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lade {

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

Time now();

// RFC 3339 in UTC with nanoseconds where they are not zero, e.g. 2026-11-21T02:44:32.5Z.
std::string rfc3339(Time time);
// Accepts any RFC 3339 offset; nullopt when the text is none. A year that Time cannot hold gives the nearest it can
// (about 1678 to 2262).
std::optional<Time> parse_rfc3339(std::string_view text);

// "1.9 KiB": one decimal, base 1024 (containerd-store.md 1.1).
std::string kib_size(std::uint64_t bytes);
// "1.862kB": four significant digits, base 1000 (containerd-store.md 1.1).
std::string si_size(std::uint64_t bytes);
// The bytes that "512", "10MB", "10MiB" or "1.5 gb" stand for: what kib_size() and si_size() print, in any case;
// nullopt on anything else, overflow included.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "3 minutes", "About an hour" (containerd-store.md 1.1).
std::string age(std::chrono::nanoseconds elapsed);

// "24h", "1h30m", "90s", "500ms", "0": a Go duration without a sign.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

// The bytes as they may be shown at a terminal or in a message: control characters, ESC, invalid UTF-8
// and bidirectional controls come out as \xNN.
std::string printable(std::string_view bytes);

// The length of the well-formed UTF-8 sequence at the start of `text`, which is not empty; 0 when there is none.
std::size_t utf8_length(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string lower(std::string_view text);
std::string_view trim(std::string_view text);
// A whole decimal number without sign; nullopt on anything else, overflow included.
std::optional<std::uint64_t> parse_number(std::string_view text);
std::string hex(const unsigned char* bytes, std::size_t count);
// Undoes "%2B" and the like; nullopt on a '%' without two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

// `count` characters of [a-z0-9] from the kernel's random source.
std::string random_text(std::size_t count);

} // namespace lade
