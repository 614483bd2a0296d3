// SPDX-License-Identifier: Apache-2.0
// Snapshots of one snapshotter in one namespace: directories and their rows together
// (containerd-store.md 2.7, 6).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/snapshots.hpp"
#include "oci/layer.hpp"
#include "snapshot/snapshotter.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Snapshot;
using meta::SnapshotKind;

class Snapshots {
public:
    // invalid_argument: an unknown snapshotter.
    Snapshots(Store& store, std::string name_space, std::string_view snapshotter);

    const snapshot::Snapshotter& kind() const noexcept { return *snapshotter_; }

    std::vector<Snapshot> list();
    std::optional<Snapshot> find(const std::string& key);
    // not_found names the key.
    Snapshot get(const std::string& key);
    // How many of `chain`, from its bottom, are there. The lease holds them from now on.
    std::size_t hold(const std::vector<oci::ChainId>& chain, LeaseHold& lease);
    // Nearest first.
    std::vector<snapshot::Id> parents(const std::string& key);
    // not_found; failed_precondition: committed snapshots are not mounted.
    std::vector<snapshot::Mount> mounts(const std::string& key);
    // Own bytes and inodes; a view has none.
    DiskUsage usage(const std::string& key);
    // The directory of the snapshot's files, for people.
    std::string path(const Snapshot& snapshot) const { return snapshotter_->path(snapshot.id); }
    // not_found; failed_precondition: it has children. The directory goes at once.
    void remove(const std::string& key);

    // A layer on its way to become the snapshot `chain`: an active row without a parent, which commit()
    // gives it. Its directory is made on top of the directories `below`, committed or not.
    struct Extraction {
        oci::ChainId chain;
        std::string key;
        snapshot::Stack stack;
    };
    Extraction prepare(const oci::ChainId& chain, std::vector<snapshot::Id> below, LeaseHold& lease,
                       const std::stop_token& stop);
    // Throws the content away and starts with an empty directory again.
    void reset(const Extraction& extraction, const std::stop_token& stop);
    // Never throws: rows that cannot be removed (a full disk) hold nothing and go with the next collection.
    void discard(const std::vector<Extraction>& extractions) noexcept;
    // Makes all directories durable if the store says so, then commits every extraction under its chain ID,
    // bottom first, the first on `parent`, in one transaction. One whose chain ID exists meanwhile is
    // discarded: losing a race is success.
    void commit(const std::vector<Extraction>& extractions, const std::string& parent, LeaseHold& lease);

private:
    LeaseResource resource(const std::string& key) const;
    void discard_directory(snapshot::Id id) const;

    Store& store_;
    std::string namespace_;
    std::unique_ptr<snapshot::Snapshotter> snapshotter_;
    meta::Snapshots rows_;
};

} // namespace lade::store
