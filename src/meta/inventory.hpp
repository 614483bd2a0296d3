// SPDX-License-Identifier: Apache-2.0
// What the rows of all namespaces say must lie on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/snapshots.hpp"
#include "meta/sqlite.hpp"

namespace lade::meta {

// Removes the blobs that no namespace has any more.
void remove_lost_blobs(Database& database);

// Every blob's digest, in byte order. The text is valid during the call.
void for_each_blob(Database& database, const std::function<void(std::string_view digest)>& work);
// The namespaces that have the blob.
std::vector<std::string> namespaces_with(Database& database, std::string_view digest);

struct BlobSize {
    std::string_view digest;
    std::uint64_t size = 0;
};
// Every blob of a namespace. The text is valid during the call.
void for_each_size(Database& database, const std::string& name_space, const std::function<void(const BlobSize&)>& work);

struct SnapshotDirectory {
    std::string name_space;
    std::string snapshotter;
    std::string key;
    std::int64_t id = 0;
    SnapshotKind kind = SnapshotKind::active;
};
std::vector<SnapshotDirectory> snapshot_directories(Database& database);

struct IngestName {
    std::string name_space;
    std::string ref;
};
std::vector<IngestName> ingest_names(Database& database);

} // namespace lade::meta
