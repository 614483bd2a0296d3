// SPDX-License-Identifier: Apache-2.0
#include "base/filter.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <compare>

#include "base/filter_syntax.hpp"

namespace lade {

namespace {

std::string as_text(const FieldValue& value) {
    if (const auto* const number = std::get_if<std::uint64_t>(&value))
        return std::to_string(*number);
    if (const auto* const time = std::get_if<Time>(&value))
        return rfc3339(*time);
    return std::get<std::string>(value);
}

std::optional<std::strong_ordering> compare(const FieldValue& value, const Operand& operand) {
    if (!operand || operand->index() != value.index())
        return std::nullopt;
    return value <=> *operand;
}

bool equals(const Selector& selector, const FieldValue& value) {
    if (const auto order = compare(value, selector.operand))
        return std::is_eq(*order);
    return as_text(value) == selector.value;
}

bool matches(const Selector& selector, const Adaptor& adaptor) {
    const std::optional<FieldValue> value = adaptor(selector.path);
    const auto order = value ? compare(*value, selector.operand) : std::nullopt;
    switch (selector.op) {
    case Operator::present:
        return value.has_value();
    case Operator::equal:
        return value && equals(selector, *value);
    case Operator::not_equal:
        // The reference reads an absent field as "".
        return !equals(selector, value.value_or(std::string()));
    case Operator::matches:
        return selector.regex && re2::RE2::PartialMatch(as_text(value.value_or(std::string())), *selector.regex);
    case Operator::less:
        return order && std::is_lt(*order);
    case Operator::less_equal:
        return order && std::is_lteq(*order);
    case Operator::greater:
        return order && std::is_gt(*order);
    case Operator::greater_equal:
        return order && std::is_gteq(*order);
    }
    return false;
}

} // namespace

struct Filter::Parsed {
    std::vector<Selectors> any; // a filter without selectors matches everything
    std::vector<std::string> warnings;
};

Filter::Filter() : parsed_(std::make_shared<const Parsed>()) {}

Filter Filter::parse(const std::vector<std::string>& filters, const std::vector<OrderedField>& ordered, Time now) {
    auto parsed = std::make_shared<Parsed>();
    for (const std::string& text : filters) {
        auto [all, warnings] = text.empty() ? ParsedSelectors() : parse_selectors(text, ordered, now);
        parsed->any.push_back(std::move(all));
        parsed->warnings.insert(parsed->warnings.end(), warnings.begin(), warnings.end());
    }
    return Filter(std::move(parsed));
}

bool Filter::matches(const Adaptor& adaptor) const {
    const auto all_match = [&](const Selectors& all) {
        return std::all_of(all.begin(), all.end(), [&](const Selector& one) { return lade::matches(one, adaptor); });
    };
    return parsed_->any.empty() || std::any_of(parsed_->any.begin(), parsed_->any.end(), all_match);
}

const std::vector<std::string>& Filter::warnings() const noexcept {
    return parsed_->warnings;
}

std::vector<std::string> Filter::spelling() const {
    std::vector<std::string> all;
    for (const Selectors& selectors : parsed_->any) {
        std::vector<std::string> parts;
        for (const Selector& one : selectors)
            parts.push_back(spell(one));
        all.push_back(join(parts, ","));
    }
    return all;
}

std::optional<FieldValue> map_field(const std::map<std::string, std::string>& map, const FieldPath& path) {
    const auto found = map.find(join({path.begin() + 1, path.end()}, "."));
    if (found == map.end())
        return std::nullopt;
    return found->second;
}

} // namespace lade
