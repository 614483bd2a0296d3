// SPDX-License-Identifier: Apache-2.0
// The filter language of every listing (containerd-store.md 5): which objects are meant, by their fields.
//
//   name==foo,labels.bar                 both hold
//   labels."containerd.io/gc.root"       the field is there
//   name~=/^docker\\.io\/.+/             RE2, unanchored; an absent field reads as ""
//   size>=10MB,created<24h               beyond the reference: an order, for fields that have one
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/text.hpp"

namespace lade {

// `labels."a.b".c` is {"labels", "a.b", "c"}. Never empty.
using FieldPath = std::vector<std::string>;

// A number or a time reads as its decimal or RFC 3339 form where text is asked for.
using FieldValue = std::variant<std::string, std::uint64_t, Time>;

// Answers for one object: the value of a field, or nullopt when the object has none of that name.
using Adaptor = std::function<std::optional<FieldValue>(const FieldPath&)>;

// What `labels.<key>` and its like mean: the entry whose key is the rest of the path, joined by dots.
std::optional<FieldValue> map_field(const std::map<std::string, std::string>& map, const FieldPath& path);

enum class FieldOrder { number, time };

// A field that <, <=, > and >= may be asked of; `path` as join(field path, ".") spells it.
struct OrderedField {
    std::string_view path;
    FieldOrder order;
};

// Immutable; copies are cheap and may be used by several threads at once.
class Filter {
public:
    // Matches everything.
    Filter();

    // An object matches when it matches any of `filters`; it matches every object when there is none, or when one is
    // empty. `ordered` lists the fields of these objects that have an order. What they are compared with is, for
    // numbers, bytes as "512", "10MB", "1.5GiB"; for times, RFC 3339, or a duration, which means that long before
    // `now`: "created<24h" is what is older than a day. The same is understood after == and !=. Error invalid_argument,
    // "filters: parse error: [name== >|,|< id]: expected value or quoted", names filter and position, also for an order
    // asked of a field without one.
    static Filter parse(const std::vector<std::string>& filters, const std::vector<OrderedField>& ordered = {},
                        Time now = lade::now());

    bool matches(const Adaptor& adaptor) const;

    // One sentence for each ~= whose value is no regular expression. It matches nothing and is no error, as scripts
    // expect; a person should be told.
    const std::vector<std::string>& warnings() const noexcept;

    // The filters in one spelling of the many that mean the same; parse() reads them back.
    std::vector<std::string> spelling() const;

private:
    struct Parsed;
    explicit Filter(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

    std::shared_ptr<const Parsed> parsed_;
};

} // namespace lade
