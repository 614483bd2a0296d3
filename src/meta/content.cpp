// SPDX-License-Identifier: Apache-2.0
#include "meta/content.hpp"

#include <nlohmann/json.hpp>

#include <unordered_map>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"content_labels"};

} // namespace

Blob Content::from_row(const Statement& row) {
    return {.digest = oci::Digest::parse(row.text(1)),
            .size = static_cast<std::uint64_t>(row.integer(2)),
            .labels = {},
            .created = row.time(3),
            .updated = row.time(4)};
}

std::vector<Blob> Content::list() {
    std::vector<Blob> blobs;
    Statement rows =
        database_.query("SELECT content.id, digest, size, created, updated FROM content JOIN blobs USING (digest) "
                        "WHERE namespace = ? ORDER BY digest",
                        namespace_);
    if (!rows.next())
        return blobs;
    // One pass over all labels instead of one question per blob. While the rows are being read no other process's
    // changes are seen, so these are of the same instant.
    std::unordered_map<std::int64_t, oci::Labels> labels;
    for (Statement label =
             database_.query("SELECT owner, key, value FROM content_labels CROSS JOIN content ON id = owner "
                             "WHERE namespace = ?",
                             namespace_);
         label.next();)
        labels[label.integer(0)].emplace(label.text(1), label.text(2));
    do {
        blobs.push_back(from_row(rows));
        if (const auto found = labels.find(rows.integer(0)); found != labels.end())
            blobs.back().labels = std::move(found->second);
    } while (rows.next());
    return blobs;
}

std::optional<Blob> Content::find(const oci::Digest& digest) {
    Statement row =
        database_.query("SELECT content.id, digest, size, created, updated FROM content JOIN blobs USING (digest) "
                        "WHERE namespace = ? AND digest = ?",
                        namespace_, digest.string());
    if (!row.next())
        return std::nullopt;
    Blob blob = from_row(row);
    blob.labels = read_labels(database_, label_table, row.integer(0));
    return blob;
}

Blob Content::get(const oci::Digest& digest) {
    auto blob = find(digest);
    if (!blob)
        throw Error(ErrorKind::not_found, "content ", digest, " not found");
    return *std::move(blob);
}

std::vector<oci::Digest> Content::starting_with(std::string_view start, std::uint64_t limit) {
    const bool has_algorithm = start.find(':') != std::string_view::npos;
    std::vector<oci::Digest> digests;
    Statement rows =
        database_.query("SELECT digest FROM content WHERE namespace = ? AND digest GLOB ? ORDER BY digest LIMIT ?",
                        namespace_, cat(has_algorithm ? "" : "*:", start, '*'), limit);
    while (rows.next())
        digests.push_back(oci::Digest::parse(rows.text(0)));
    return digests;
}

std::optional<std::uint64_t> Content::shared_size(const oci::Digest& digest) {
    Statement row = database_.query("SELECT size FROM blobs WHERE digest = ?", digest.string());
    if (!row.next())
        return std::nullopt;
    return static_cast<std::uint64_t>(row.integer(0));
}

bool Content::is_shareable(const oci::Digest& digest) {
    return database_
        .query("SELECT 1 FROM content JOIN namespace_labels ON owner = namespace WHERE digest = ? AND key = ? "
               "AND value = 'true' LIMIT 1",
               digest.string(), oci::label::shareable)
        .next();
}

void Content::put(const oci::Digest& digest, std::uint64_t size, const oci::Labels& labels) {
    oci::validate(labels);
    const Time time = now();
    database_.run("INSERT OR IGNORE INTO blobs (digest, size) VALUES (?, ?)", digest.string(), size);
    if (database_.run("INSERT OR IGNORE INTO content (namespace, digest, created, updated) VALUES (?, ?, ?, ?)",
                      namespace_, digest.string(), time, time) > 0)
        publish(database_, namespace_, "/content/create", {{"digest", digest.string()}, {"size", size}});
    label(digest, labels);
}

bool Content::label(const oci::Digest& digest, const oci::Labels& changes) {
    oci::validate(changes);
    Statement row =
        database_.query("SELECT id FROM content WHERE namespace = ? AND digest = ?", namespace_, digest.string());
    if (!row.next())
        return false;
    const std::int64_t id = row.integer(0);
    if (!changes.empty()) {
        merge_labels(database_, label_table, id, changes);
        database_.run("UPDATE content SET updated = ? WHERE id = ?", now(), id);
    }
    return true;
}

Blob Content::update(const oci::Digest& digest, const oci::Labels& labels, const std::vector<std::string>& paths) {
    const oci::Labels updated = update_labels(get(digest).labels, labels, paths);
    oci::validate(updated);
    Statement row =
        database_.query("SELECT id FROM content WHERE namespace = ? AND digest = ?", namespace_, digest.string());
    row.next();
    const std::int64_t id = row.integer(0);
    replace_labels(database_, label_table, id, updated);
    database_.run("UPDATE content SET updated = ? WHERE id = ?", now(), id);
    return get(digest);
}

bool Content::remove(const oci::Digest& digest) {
    if (database_.run("DELETE FROM content WHERE namespace = ? AND digest = ?", namespace_, digest.string()) == 0)
        return false;
    publish(database_, namespace_, "/content/delete", {{"digest", digest.string()}});
    return true;
}

std::vector<IngestRow> Content::ingests() {
    std::vector<IngestRow> ingests;
    Statement rows =
        database_.query("SELECT ref, expected, expires FROM ingests WHERE namespace = ? ORDER BY ref", namespace_);
    while (rows.next()) {
        const auto expires = rows.optional_integer(2);
        ingests.push_back({.ref = rows.text(0),
                           .expected = rows.optional_text(1),
                           .expires = expires ? std::optional(rows.time(2)) : std::nullopt});
    }
    return ingests;
}

void Content::put_ingest(const IngestRow& ingest) {
    database_.run("INSERT INTO ingests (namespace, ref, expected, expires) VALUES (?, ?, ?, ?) "
                  "ON CONFLICT (namespace, ref) DO UPDATE SET expected = excluded.expected, expires = excluded.expires",
                  namespace_, ingest.ref, ingest.expected, ingest.expires);
}

bool Content::is_resumable(const std::string& ref) {
    Statement row = database_.query("SELECT 1 FROM ingests WHERE namespace = ? AND ref = ? AND expires IS NOT NULL",
                                    namespace_, ref);
    return row.next();
}

bool Content::remove_ingest(const std::string& ref) {
    return database_.run("DELETE FROM ingests WHERE namespace = ? AND ref = ?", namespace_, ref) > 0;
}

} // namespace lade::meta
