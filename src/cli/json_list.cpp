// SPDX-License-Identifier: Apache-2.0
#include "cli/json_list.hpp"

#include <nlohmann/json.hpp>

#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::cli {

void Lines::add(std::string_view text) {
    constexpr std::size_t piece = 64 * kib;
    text_ += text;
    if (text_.size() >= piece)
        flush();
}

void Lines::flush() {
    output_.write(as_bytes(text_));
    text_.clear();
}

void JsonList::add(const Json& element) {
    lines_.add(empty_ ? "[\n" : ",\n");
    empty_ = false;
    std::string text;
    for (const std::string& line : split(dump_json(element, 2), '\n')) {
        text += text.empty() ? "  " : "\n  ";
        text += line;
    }
    lines_.add(text);
}

void JsonList::finish() {
    lines_.add(empty_ ? "[]\n" : "\n]\n");
    lines_.flush();
}

} // namespace lade::cli
