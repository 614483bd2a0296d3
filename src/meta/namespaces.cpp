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

// Counted, and named in the plural unless it is one.
std::string count_of(std::int64_t count, std::string_view noun) {
    return cat(count, ' ', noun, count == 1 ? "" : "s");
}

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

std::vector<std::string> Namespaces::left_in(const std::string& name) {
    struct Kind {
        const char* noun;
        const char* sql;
    };
    static constexpr std::array before_snapshots{
        Kind{.noun = "image", .sql = "SELECT count(*) FROM images WHERE namespace = ?"},
        Kind{.noun = "blob", .sql = "SELECT count(*) FROM content WHERE namespace = ?"},
        Kind{.noun = "container", .sql = "SELECT count(*) FROM containers WHERE namespace = ?"},
    };
    static constexpr std::array after_snapshots{
        Kind{.noun = "lease", .sql = "SELECT count(*) FROM leases WHERE namespace = ?"},
        Kind{.noun = "ingest", .sql = "SELECT count(*) FROM ingests WHERE namespace = ?"},
    };
    std::vector<std::string> left;
    const auto count = [&](const Kind& kind) {
        Statement row = database_.query(kind.sql, name);
        if (row.next() && row.integer(0) > 0)
            left.push_back(count_of(row.integer(0), kind.noun));
    };
    for (const Kind& kind : before_snapshots)
        count(kind);
    for (Statement rows = database_.query("SELECT snapshotter, count(*) FROM snapshots WHERE namespace = ? "
                                          "GROUP BY snapshotter ORDER BY snapshotter",
                                          name);
         rows.next();)
        left.push_back(cat("snapshots on \"", printable(rows.text(0)), "\" snapshotter (", rows.integer(1), ")"));
    for (const Kind& kind : after_snapshots)
        count(kind);
    return left;
}

bool Namespaces::remove(const std::string& name) {
    if (const std::vector<std::string> left = left_in(name); !left.empty())
        throw Error(ErrorKind::failed_precondition, "namespace \"", printable(name),
                    "\" must be empty, but it still has ", join(left, ", "));
    if (database_.run("DELETE FROM namespaces WHERE name = ?", name) == 0)
        return false;
    publish(database_, name, "/namespaces/delete", {{"name", name}});
    return true;
}

} // namespace lade::meta
