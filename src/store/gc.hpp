// SPDX-License-Identifier: Apache-2.0
// Garbage collection: what nothing keeps goes, what something keeps stays (containerd-store.md 3). Rows are
// decided on and removed in one transaction, files are moved aside under the publish lock, and removed with
// no lock at all. Readers never wait.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace lade::store {

// One removed thing; `name_space` is empty for files that no row knew.
struct Garbage {
    std::string name_space;
    std::string key;
};

struct Collected {
    std::vector<Garbage> content;
    std::vector<Garbage> snapshots; // key: <snapshotter>/<key>
    std::vector<Garbage> ingests;
    std::vector<Garbage> leases;
    std::vector<Garbage> files; // blobs, snapshot directories and whatever else has no row
    std::uint64_t bytes = 0;    // on disk, of blobs and snapshot directories
    // What could not be removed from the trash and why, one line each. The next collection tries again.
    std::vector<std::string> left;
};

enum class Mode { dry_run, remove };

// A dry run reports what a real run at this instant would remove.
Collected collect(Store& store, Mode mode, const std::stop_token& stop);

// True when something expired (a lease, an ingest, an image) or a lease lost its owner: nobody deletes these, so
// whoever changes the store next looks, and collects. Cheap: it reads what has an expiry.
bool is_collection_due(Store& store);

} // namespace lade::store
