// SPDX-License-Identifier: Apache-2.0
#include "cli/table.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace lade::cli {

namespace {

bool starts_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
}

} // namespace

std::size_t text_width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, starts_character));
}

std::string shorten(std::string_view text, std::size_t width) {
    if (text_width(text) <= width)
        return std::string(text);
    const std::size_t keep = width > 0 ? width - 1 : 0;
    std::size_t characters = 0;
    std::size_t end = 0;
    while (end < text.size() && (characters < keep || !starts_character(text[end]))) {
        ++end;
        if (end == text.size() || starts_character(text[end]))
            ++characters;
    }
    return std::string(text.substr(0, end)) + (width > 0 ? "…" : "");
}

void Table::add(std::vector<std::string> row) {
    for (std::string& cell : row)
        cell = printable(cell);
    rows_.push_back(std::move(row));
}

std::string Table::text() const {
    std::vector<std::size_t> widths(rows_.front().size(), 0);
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], text_width(row[i]));
    std::string out;
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += row[i];
            if (i + 1 < row.size())
                out.append(widths[i] - text_width(row[i]) + 1, ' ');
        }
        out += '\n';
    }
    return out;
}

} // namespace lade::cli
