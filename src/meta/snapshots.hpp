// SPDX-License-Identifier: Apache-2.0
// Rows of snapshots, of one snapshotter in one namespace (containerd-store.md 2.7, 6.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "meta/sqlite.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

enum class SnapshotKind { active, view, committed };
// "active", "view", "committed": as filters and the database have them.
std::string_view to_string(SnapshotKind kind) noexcept;
SnapshotKind parse_snapshot_kind(std::string_view text) noexcept;

struct Snapshot {
    std::int64_t id = 0; // names the directory; never used twice
    std::string key;
    std::string parent; // key, "" for none
    SnapshotKind kind = SnapshotKind::active;
    oci::Labels labels;
    Time created{};
    Time updated{};
};

// How the keys of rows begin that begin() makes for store's drafts: nobody was told of them, nor is of their end.
constexpr std::string_view draft_prefix = "draft-lade-";

class Snapshots {
public:
    Snapshots(Database& database, std::string name_space, std::string snapshotter)
        : database_(database), namespace_(std::move(name_space)), snapshotter_(std::move(snapshotter)) {}

    // In byte order of the key.
    std::vector<Snapshot> list();
    std::optional<Snapshot> find(const std::string& key);
    // The committed ones whose chain ID begins with `start` (Digest::is_abbreviation), in byte order, at most `limit`.
    std::vector<std::string> starting_with(std::string_view start, std::uint64_t limit);
    // Ids from the nearest parent down to the base; empty for a snapshot without a parent.
    std::vector<std::int64_t> parents(const std::string& key);

    // A new active or view row; returns its id. not_found: the parent; invalid_argument: the parent is not committed,
    // or `kind` is; already_exists.
    std::int64_t create(const std::string& key, const std::string& parent, SnapshotKind kind,
                        const oci::Labels& labels);
    // As create(), but nobody is told: a row to work under, which finish() makes a snapshot.
    std::int64_t begin(const std::string& working_key, const std::string& parent, SnapshotKind kind);
    // The row becomes the snapshot `key`, as create() would have made it. not_found: it is gone; already_exists.
    void finish(const std::string& working_key, const std::string& key, const oci::Labels& labels);
    // Removes what begin() made, if it is still there; nobody is told.
    void abandon(const std::string& working_key);
    // The active `key` becomes the committed `name`, with exactly `labels`. It keeps its parent; one that has none gets
    // `parent`, unless that is "". already_exists: `name`; not_found: `key`, or the parent; failed_precondition: `key`
    // is not active, or the parent not committed; invalid_argument: it has another parent.
    void commit(const std::string& key, const std::string& name, const std::string& parent, const oci::Labels& labels);
    // Changes labels by field path (update_labels). not_found.
    Snapshot update(const std::string& key, const oci::Labels& labels, const std::vector<std::string>& paths);
    // Returns the id of the removed row. not_found; failed_precondition: it has children.
    std::int64_t remove(const std::string& key);

private:
    Snapshot from_row(const Statement& row);
    Snapshot get(const std::string& key);
    void publish_prepare(const std::string& key, const std::string& parent);
    std::optional<std::int64_t> committed_id(const std::string& name, ErrorKind when_not_committed);

    Database& database_;
    std::string namespace_;
    std::string snapshotter_;
};

} // namespace lade::meta
