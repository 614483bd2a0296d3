// SPDX-License-Identifier: Apache-2.0
// The label tables: all of one shape (owner, key, value), so one set of statements serves each.
#pragma once

#include <string>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

// The name of a label table of the schema, e.g. "image_labels".
struct LabelTable {
    std::string name;
};

template <typename Owner>
oci::Labels read_labels(Database& database, const LabelTable& table, const Owner& owner) {
    oci::Labels labels;
    Statement rows = database.query("SELECT key, value FROM " + table.name + " WHERE owner = ?", owner);
    while (rows.next())
        labels.emplace(rows.text(0), rows.text(1));
    return labels;
}

// Sets each label; an empty value removes its key (containerd-store.md 0.2). Others stay.
template <typename Owner>
void merge_labels(Database& database, const LabelTable& table, const Owner& owner, const oci::Labels& changes) {
    for (const auto& [key, value] : changes) {
        if (value.empty())
            database.run("DELETE FROM " + table.name + " WHERE owner = ? AND key = ?", owner, key);
        else
            database.run("INSERT OR REPLACE INTO " + table.name + " (owner, key, value) VALUES (?, ?, ?)", owner, key,
                         value);
    }
}

// All labels become exactly `labels`.
template <typename Owner>
void replace_labels(Database& database, const LabelTable& table, const Owner& owner, const oci::Labels& labels) {
    database.run("DELETE FROM " + table.name + " WHERE owner = ?", owner);
    merge_labels(database, table, owner, labels);
}

// What an update by field path makes of `current` (containerd-store.md 2.4): no path and "labels" replace all by those
// of `wanted`; "labels.<key>", whose key may have dots, takes that one from `wanted`, and removes it when it is not
// there. invalid_argument on any other path.
oci::Labels update_labels(oci::Labels current, const oci::Labels& wanted, const std::vector<std::string>& paths);

} // namespace lade::meta
