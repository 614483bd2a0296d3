// SPDX-License-Identifier: Apache-2.0
#include "oci/labels.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

constexpr std::size_t max_identifier = 76;
constexpr std::size_t shown_key = 64;

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_separator(char c) {
    return c == '.' || c == '_' || c == '-';
}

} // namespace

void validate(const Labels& labels) {
    for (const auto& [key, value] : labels)
        if (key.size() + value.size() > max_label_size)
            throw Error(ErrorKind::invalid_argument, "label \"", printable(key.substr(0, shown_key)),
                        "\": key and value have ", key.size() + value.size(), " bytes, at most ", max_label_size,
                        " are allowed");
}

void merge(Labels& labels, const Labels& changes) {
    for (const auto& [key, value] : changes) {
        if (value.empty())
            labels.erase(key);
        else
            labels.insert_or_assign(key, value);
    }
}

std::pair<std::string, std::string> parse_label(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (text.empty() || equals == 0)
        throw Error(ErrorKind::invalid_argument, "label \"", printable(text), "\": a key is needed");
    if (equals == std::string_view::npos)
        return {std::string(text), "true"};
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

void validate_identifier(std::string_view what, std::string_view text) {
    bool good =
        !text.empty() && text.size() <= max_identifier && is_alphanumeric(text.front()) && is_alphanumeric(text.back());
    for (std::size_t i = 0; good && i < text.size(); ++i)
        good = is_alphanumeric(text[i]) || (is_separator(text[i]) && !is_separator(text[i - 1]));
    if (!good)
        throw Error(ErrorKind::invalid_argument, what, " \"", printable(text.substr(0, max_identifier + 1)),
                    "\": must be 1 to 76 letters and digits, with single . _ - between them");
}

} // namespace lade::oci
