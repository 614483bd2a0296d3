// SPDX-License-Identifier: Apache-2.0
// Garbage collection: what nothing keeps goes, what something keeps stays (containerd-store.md 3). Rows are
// decided on and removed in one transaction, files are moved aside under the publish lock, and removed with
// no lock at all. Readers never wait.
#pragma once

#include <chrono>
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

// How long each part took.
struct Phases {
    using Seconds = std::chrono::duration<double>;
    Seconds mark{};  // reading the rows and what keeps what
    Seconds sweep{}; // removing rows
    Seconds files{}; // comparing files with rows, moving them to the trash
    Seconds trash{}; // emptying it
};

struct Collected {
    std::vector<Garbage> images; // expired ones
    std::vector<Garbage> content;
    std::vector<Garbage> snapshots; // key: <snapshotter>/<key>
    std::vector<Garbage> ingests;
    std::vector<Garbage> leases;
    std::vector<Garbage> files; // blobs, ingests, snapshot directories and whatever else has no row
    // Not garbage: rows that something keeps and whose files are gone. They stay, for a pull to repair. Keys of
    // snapshots are "snapshots/<snapshotter>/<key>", the others are digests.
    std::vector<Garbage> missing;
    std::uint64_t bytes = 0; // of the files and directories removed
    Phases phases;
    // What could not be removed and why, one line each: from the trash, and directories of snapshots that are mounted.
    // The next collection tries again.
    std::vector<std::string> left;
};

enum class Mode { dry_run, remove };

// A dry run reports what a real run at this instant would remove. cancelled: `stop` came while it waited for others.
Collected collect(Store& store, Mode mode, const std::stop_token& stop);

// True when something expired (a lease, an ingest, an image) that no collection has looked at since, or a lease lost
// its owner: nobody deletes these, so whoever changes the store next looks, and collects. Cheap: it reads what has an
// expiry.
bool is_collection_due(Store& store);

} // namespace lade::store
