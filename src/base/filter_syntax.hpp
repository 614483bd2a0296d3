// SPDX-License-Identifier: Apache-2.0
// The text of a filter and what it says, selector by selector (containerd-store.md 5). What it means for an object is
// filter.cpp's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/filter.hpp"

namespace re2 {
class RE2;
}

namespace lade {

enum class Operator { present, equal, not_equal, matches, less, less_equal, greater, greater_equal };

// What a number or a time is compared with; nullopt where the field or the value is neither.
using Operand = std::optional<FieldValue>;

struct Selector {
    FieldPath path;
    Operator op = Operator::present;
    std::string value;
    Operand operand;
    std::shared_ptr<const re2::RE2> regex;
};

using Selectors = std::vector<Selector>;

struct ParsedSelectors {
    Selectors all;
    std::vector<std::string> warnings; // as Filter::warnings()
};

// Filter::parse() for one filter that is not empty: arguments and errors are the same.
ParsedSelectors parse_selectors(std::string_view input, const std::vector<OrderedField>& ordered, Time now);

// One spelling of the many that mean the same.
std::string spell(const Selector& selector);

} // namespace lade
