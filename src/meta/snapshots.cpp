// SPDX-License-Identifier: Apache-2.0
#include "meta/snapshots.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"snapshot_labels"};

} // namespace

SnapshotKind parse_snapshot_kind(std::string_view text) noexcept {
    if (text == "active")
        return SnapshotKind::active;
    return text == "view" ? SnapshotKind::view : SnapshotKind::committed;
}

std::string_view to_string(SnapshotKind kind) noexcept {
    switch (kind) {
    case SnapshotKind::active:
        return "active";
    case SnapshotKind::view:
        return "view";
    case SnapshotKind::committed:
        return "committed";
    }
    return "committed";
}

Snapshot Snapshots::from_row(const Statement& row) {
    return {.id = row.integer(0),
            .key = row.text(1),
            .parent = row.text(2),
            .kind = parse_snapshot_kind(row.text(3)),
            .labels = read_labels(database_, label_table, row.integer(0)),
            .created = row.time(4),
            .updated = row.time(5)};
}

std::vector<Snapshot> Snapshots::list() {
    std::vector<Snapshot> snapshots;
    Statement rows = database_.query("SELECT s.id, s.key, p.key, s.kind, s.created, s.updated FROM snapshots s "
                                     "LEFT JOIN snapshots p ON p.id = s.parent "
                                     "WHERE s.namespace = ? AND s.snapshotter = ? ORDER BY s.key",
                                     namespace_, snapshotter_);
    while (rows.next())
        snapshots.push_back(from_row(rows));
    return snapshots;
}

std::optional<Snapshot> Snapshots::find(const std::string& key) {
    Statement row = database_.query("SELECT s.id, s.key, p.key, s.kind, s.created, s.updated FROM snapshots s "
                                    "LEFT JOIN snapshots p ON p.id = s.parent "
                                    "WHERE s.namespace = ? AND s.snapshotter = ? AND s.key = ?",
                                    namespace_, snapshotter_, key);
    if (!row.next())
        return std::nullopt;
    return from_row(row);
}

std::vector<std::string> Snapshots::starting_with(std::string_view start, std::uint64_t limit) {
    const bool has_algorithm = start.find(':') != std::string_view::npos;
    std::vector<std::string> keys;
    Statement rows = database_.query("SELECT key FROM snapshots WHERE namespace = ? AND snapshotter = ? "
                                     "AND kind = 'committed' AND key GLOB ? ORDER BY key LIMIT ?",
                                     namespace_, snapshotter_, cat(has_algorithm ? "" : "sha???:", start, '*'), limit);
    while (rows.next())
        keys.push_back(rows.text(0));
    return keys;
}

std::vector<std::int64_t> Snapshots::parents(const std::string& key) {
    std::vector<std::int64_t> ids;
    Statement rows =
        database_.query("WITH RECURSIVE up (id, depth) AS ("
                        "SELECT parent, 0 FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ? "
                        "UNION ALL SELECT s.parent, depth + 1 FROM snapshots s JOIN up ON s.id = up.id) "
                        "SELECT id FROM up WHERE id IS NOT NULL ORDER BY depth",
                        namespace_, snapshotter_, key);
    while (rows.next())
        ids.push_back(rows.integer(0));
    return ids;
}

std::optional<std::int64_t> Snapshots::committed_id(const std::string& name, ErrorKind when_not_committed) {
    if (name.empty())
        return std::nullopt;
    const auto parent = find(name);
    if (!parent)
        throw Error(ErrorKind::not_found, "parent snapshot ", printable(name), " not found");
    if (parent->kind != SnapshotKind::committed)
        throw Error(when_not_committed, "parent snapshot ", printable(name), " is not committed");
    return parent->id;
}

Snapshot Snapshots::get(const std::string& key) {
    auto snapshot = find(key);
    if (!snapshot)
        throw Error(ErrorKind::not_found, "snapshot ", printable(key), " not found");
    return *std::move(snapshot);
}

void Snapshots::publish_prepare(const std::string& key, const std::string& parent) {
    publish(database_, namespace_, "/snapshot/prepare",
            {{"key", key}, {"parent", parent}, {"snapshotter", snapshotter_}});
}

std::int64_t Snapshots::create(const std::string& key, const std::string& parent, SnapshotKind kind,
                               const oci::Labels& labels) {
    oci::validate(labels);
    const std::int64_t id = begin(key, parent, kind);
    merge_labels(database_, label_table, id, labels);
    if (kind == SnapshotKind::active)
        publish_prepare(key, parent);
    return id;
}

std::int64_t Snapshots::begin(const std::string& working_key, const std::string& parent, SnapshotKind kind) {
    if (working_key.empty())
        throw Error(ErrorKind::invalid_argument, "a snapshot needs a key");
    if (kind == SnapshotKind::committed)
        throw Error(ErrorKind::invalid_argument, "snapshot ", printable(working_key),
                    ": only active snapshots and views are created");
    const auto parent_id = committed_id(parent, ErrorKind::invalid_argument);
    const Time time = now();
    if (database_.run("INSERT OR IGNORE INTO snapshots (namespace, snapshotter, key, parent, kind, created, updated) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?)",
                      namespace_, snapshotter_, working_key, parent_id, to_string(kind), time, time) == 0)
        throw Error(ErrorKind::already_exists, "snapshot ", printable(working_key), " already exists");
    return database_.last_id();
}

void Snapshots::finish(const std::string& working_key, const std::string& key, const oci::Labels& labels) {
    oci::validate(labels);
    const Snapshot row = get(working_key);
    if (key.empty())
        throw Error(ErrorKind::invalid_argument, "a snapshot needs a key");
    if (find(key))
        throw Error(ErrorKind::already_exists, "snapshot ", printable(key), " already exists");
    const Time time = now();
    database_.run("UPDATE snapshots SET key = ?, created = ?, updated = ? WHERE id = ?", key, time, time, row.id);
    merge_labels(database_, label_table, row.id, labels);
    if (row.kind == SnapshotKind::active)
        publish_prepare(key, row.parent);
}

void Snapshots::abandon(const std::string& working_key) {
    database_.run("DELETE FROM snapshots WHERE namespace = ? AND snapshotter = ? AND key = ?", namespace_, snapshotter_,
                  working_key);
}

void Snapshots::commit(const std::string& key, const std::string& name, const std::string& parent,
                       const oci::Labels& labels) {
    oci::validate(labels);
    if (name.empty())
        throw Error(ErrorKind::invalid_argument, "a snapshot needs a key");
    if (find(name))
        throw Error(ErrorKind::already_exists, "snapshot ", printable(name), " already exists");
    const Snapshot snapshot = get(key);
    if (snapshot.kind != SnapshotKind::active)
        throw Error(ErrorKind::failed_precondition, "snapshot ", printable(key), " is not active");
    if (!snapshot.parent.empty() && !parent.empty() && parent != snapshot.parent)
        throw Error(ErrorKind::invalid_argument, "snapshot ", printable(key), " lies on ", printable(snapshot.parent),
                    ", not on ", printable(parent));
    const auto parent_id =
        committed_id(snapshot.parent.empty() ? parent : snapshot.parent, ErrorKind::failed_precondition);
    const Time time = now();
    database_.run("UPDATE snapshots SET key = ?, parent = ?, kind = 'committed', created = ?, updated = ? WHERE id = ?",
                  name, parent_id, time, time, snapshot.id);
    replace_labels(database_, label_table, snapshot.id, labels);
    publish(database_, namespace_, "/snapshot/commit", {{"key", key}, {"name", name}, {"snapshotter", snapshotter_}});
}

Snapshot Snapshots::update(const std::string& key, const oci::Labels& labels, const std::vector<std::string>& paths) {
    const Snapshot snapshot = get(key);
    const oci::Labels changed = update_labels(snapshot.labels, labels, paths);
    oci::validate(changed);
    replace_labels(database_, label_table, snapshot.id, changed);
    database_.run("UPDATE snapshots SET updated = ? WHERE id = ?", now(), snapshot.id);
    return get(key);
}

std::int64_t Snapshots::remove(const std::string& key) {
    const Snapshot snapshot = get(key);
    if (Statement child = database_.query("SELECT key FROM snapshots WHERE parent = ? LIMIT 1", snapshot.id);
        child.next())
        throw Error(ErrorKind::failed_precondition, "cannot remove snapshot ", printable(key), " with child ",
                    printable(child.text(0)));
    database_.run("DELETE FROM snapshots WHERE id = ?", snapshot.id);
    if (!key.starts_with(draft_prefix))
        publish(database_, namespace_, "/snapshot/remove", {{"key", key}, {"snapshotter", snapshotter_}});
    return snapshot.id;
}

} // namespace lade::meta
