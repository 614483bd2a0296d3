// SPDX-License-Identifier: Apache-2.0
#include "meta/inventory.hpp"

namespace lade::meta {

void remove_lost_blobs(Database& database) {
    database.run("DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.digest = blobs.digest)");
}

void for_each_blob(Database& database, const std::function<void(std::string_view digest)>& work) {
    for (Statement rows = database.query("SELECT digest FROM blobs ORDER BY digest"); rows.next();)
        work(rows.view(0));
}

std::vector<std::string> namespaces_with(Database& database, std::string_view digest) {
    std::vector<std::string> names;
    for (Statement rows = database.query("SELECT namespace FROM content WHERE digest = ? ORDER BY namespace", digest);
         rows.next();)
        names.push_back(rows.text(0));
    return names;
}

void for_each_size(Database& database, const std::string& name_space,
                   const std::function<void(const BlobSize&)>& work) {
    Statement rows = database.query("SELECT c.digest, b.size FROM content c JOIN blobs b ON b.digest = c.digest "
                                    "WHERE c.namespace = ?",
                                    name_space);
    while (rows.next())
        work({.digest = rows.view(0), .size = static_cast<std::uint64_t>(rows.integer(1))});
}

std::vector<SnapshotDirectory> snapshot_directories(Database& database) {
    std::vector<SnapshotDirectory> all;
    for (Statement rows = database.query("SELECT namespace, snapshotter, key, id, kind FROM snapshots"); rows.next();)
        all.push_back({.name_space = rows.text(0),
                       .snapshotter = rows.text(1),
                       .key = rows.text(2),
                       .id = rows.integer(3),
                       .kind = parse_snapshot_kind(rows.view(4))});
    return all;
}

std::vector<IngestName> ingest_names(Database& database) {
    std::vector<IngestName> all;
    for (Statement rows = database.query("SELECT namespace, ref FROM ingests"); rows.next();)
        all.push_back({.name_space = rows.text(0), .ref = rows.text(1)});
    return all;
}

} // namespace lade::meta
