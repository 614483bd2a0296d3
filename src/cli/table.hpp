// SPDX-License-Identifier: Apache-2.0
// Columns for eyes: each as wide as its widest cell, one blank between.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lade::cli {

class Table {
public:
    explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
    // Cells are made printable.
    void add(std::vector<std::string> row);
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

// How many characters (not bytes) a well-formed text has.
std::size_t text_width(std::string_view text);
// At most `width` characters; a longer text ends in "…" if there is room for it.
std::string shorten(std::string_view text, std::size_t width);

} // namespace lade::cli
