// SPDX-License-Identifier: Apache-2.0
#include "meta/namespaces.hpp"

#include <nlohmann/json.hpp>

#include <array>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"namespace_labels"};

} // namespace

std::vector<Namespace> Namespaces::list() {
    std::vector<Namespace> all;
    Statement rows = database_.query("SELECT name FROM namespaces ORDER BY name");
    while (rows.next())
        all.push_back({.name = rows.text(0), .labels = read_labels(database_, label_table, rows.text(0))});
    return all;
}

std::optional<Namespace> Namespaces::find(const std::string& name) {
    Statement row = database_.query("SELECT name FROM namespaces WHERE name = ?", name);
    if (!row.next())
        return std::nullopt;
    return Namespace{.name = name, .labels = read_labels(database_, label_table, name)};
}

void Namespaces::create(const std::string& name, const oci::Labels& labels) {
    oci::validate_identifier("namespace", name);
    oci::validate(labels);
    if (database_.run("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", name) == 0)
        throw Error(ErrorKind::already_exists, "namespace \"", name, "\" already exists");
    merge_labels(database_, label_table, name, labels);
    publish(database_, name, "/namespaces/create", {{"name", name}, {"labels", labels}});
}

void Namespaces::ensure(const std::string& name) {
    oci::validate_identifier("namespace", name);
    database_.run("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", name);
}

void Namespaces::label(const std::string& name, const oci::Labels& changes) {
    oci::validate(changes);
    ensure(name);
    merge_labels(database_, label_table, name, changes);
    publish(database_, name, "/namespaces/update",
            {{"name", name}, {"labels", read_labels(database_, label_table, name)}});
}

bool Namespaces::remove(const std::string& name) {
    struct Kind {
        const char* word;
        const char* sql;
    };
    static constexpr std::array kinds{
        Kind{.word = "images", .sql = "SELECT 1 FROM images WHERE namespace = ? LIMIT 1"},
        Kind{.word = "content", .sql = "SELECT 1 FROM content WHERE namespace = ? LIMIT 1"},
        Kind{.word = "snapshots", .sql = "SELECT 1 FROM snapshots WHERE namespace = ? LIMIT 1"},
        Kind{.word = "containers", .sql = "SELECT 1 FROM containers WHERE namespace = ? LIMIT 1"},
        Kind{.word = "leases", .sql = "SELECT 1 FROM leases WHERE namespace = ? LIMIT 1"},
        Kind{.word = "ingests", .sql = "SELECT 1 FROM ingests WHERE namespace = ? LIMIT 1"},
    };
    std::string left;
    for (const Kind& kind : kinds)
        if (database_.query(kind.sql, name).next())
            left += cat(left.empty() ? "" : ", ", kind.word);
    if (!left.empty())
        throw Error(ErrorKind::failed_precondition, "namespace \"", name, "\" must be empty, but it still has ", left);
    if (database_.run("DELETE FROM namespaces WHERE name = ?", name) == 0)
        return false;
    publish(database_, name, "/namespaces/delete", {{"name", name}});
    return true;
}

} // namespace lade::meta
