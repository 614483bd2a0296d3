// SPDX-License-Identifier: Apache-2.0
// Snapshots of one snapshotter in one namespace: directories and their rows together
// (containerd-store.md 2.7, 6).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
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
    // The key that people mean: what they wrote where it is one, else the only committed snapshot whose chain ID it
    // abbreviates, else again what they wrote. invalid_argument: it abbreviates several.
    std::string complete(const std::string& text);
    // How many of `chain`, from its bottom, are there. The lease holds them from now on.
    std::size_t hold(const std::vector<oci::ChainId>& chain, LeaseHold& lease);
    // The lease of this process holds the snapshot from now on, and with it those that it lies on. not_found.
    void hold(const std::string& key, LeaseHold& lease);
    // Nobody else mounts, commits or removes the snapshot meanwhile. Not inside a transaction: whoever has it may wait
    // for one. not_found.
    RangeLock lock(const std::string& key, const std::stop_token& stop);
    // Nearest first.
    std::vector<snapshot::Id> parents(const std::string& key);
    // not_found; failed_precondition: committed snapshots are not mounted.
    std::vector<snapshot::Mount> mounts(const std::string& key);
    // The tree that a snapshot of any kind shows, for reading, mounted for this process alone as long as the descriptor
    // is open (snapshot::open_mounts). not_found; permission_denied.
    Fd open_tree(const std::string& key);
    // The same for what create() or prepare() made just now, for reading and writing.
    Fd open_tree(const snapshot::Stack& stack);
    // What the snapshot has of its own, when it is kept apart from what its parents have (TreeForm::layer). not_found.
    struct LayerTree {
        Fd root;
        std::string_view marks; // the prefix of overlayfs's xattrs in it (base/overlay_marks.hpp)
    };
    std::optional<LayerTree> layer_tree(const std::string& key);
    // What was written through mounts that remap (snapshot/idmap.hpp) has the owners that those show, not the ones that
    // a layer says.
    struct Remapping {
        // A directory of the names that this is true of; empty: of the root alone, for the snapshot has no parents and
        // all of it is seen remapped.
        Fd layer;
        // Makes such an owner the layer's. failed_precondition names one that the mapping has no room for.
        std::function<void(struct stat&)> undo;
    };
    // nullopt: the snapshot is not remapped. not_found; invalid_argument: a label.
    std::optional<Remapping> remapping(const std::string& key);
    // Own bytes and inodes; a view has none.
    DiskUsage usage(const std::string& key);
    // The directory of the snapshot's files, for people.
    std::string path(const Snapshot& snapshot) const { return snapshotter_->path(snapshot.id); }
    // not_found; failed_precondition: it has children, or is mounted where we see it. The directory goes at once. The
    // people's lease `lease` forgets it, too.
    void remove(const std::string& key, const std::string& lease = {}, const std::stop_token& stop = {});
    // The same in two steps, with the lock held: the row inside a transaction of the caller, then the directory.
    snapshot::Id remove_row(const std::string& key, const std::string& lease);
    void remove_directory(snapshot::Id id);
    // Labels by field path (2.7): labels, labels.<key>, none for all of them; invalid_argument: any other. not_found.
    Snapshot update(const std::string& key, const oci::Labels& labels, const std::vector<std::string>& paths);

    // A new active snapshot or view on `parent` ("" for none), held by the lease. already_exists: the key, or the
    // snapshot that the label containerd.io/snapshot.ref names; the lease holds that one then. not_found: the parent;
    // invalid_argument: the parent is not committed.
    Snapshot create(SnapshotKind kind, const std::string& key, const std::string& parent, const oci::Labels& labels,
                    LeaseHold& lease, const std::stop_token& stop);
    // The active `key` becomes the committed `name` (meta::Snapshots::commit), held by the lease instead of `key`, also
    // when `name` is there already and already_exists is thrown. failed_precondition: it is mounted where we see it, so
    // that what a layer is from then on could still be written to. After an error it is as it was.
    void commit_active(const std::string& key, const std::string& name, const std::string& parent,
                       const oci::Labels& labels, LeaseHold& lease, const std::stop_token& stop);

    // create() in two steps, for those who make more than a snapshot and want all or nothing: while it is a draft it
    // has a directory, and a row that nobody else takes for a snapshot and that dies with this process. The destructor
    // removes what was not finished.
    class Draft {
    public:
        // invalid_argument: a label that the kind cannot heed.
        Draft(Snapshots& snapshots, SnapshotKind kind, const std::string& parent, const oci::Labels& labels,
              LeaseHold& lease, const std::stop_token& stop);
        ~Draft();
        Draft(const Draft&) = delete;
        Draft& operator=(const Draft&) = delete;

        const snapshot::Stack& stack() const noexcept { return stack_; }
        // Inside a transaction of the caller, which decides. already_exists.
        void finish(const std::string& key);

    private:
        Snapshots& snapshots_;
        LeaseHold& lease_;
        std::string key_;
        snapshot::Stack stack_;
    };

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
    void commit(const std::vector<Extraction>& extractions, const std::string& parent, LeaseHold& lease,
                const std::stop_token& stop);

private:
    LeaseResource resource(const std::string& key) const;
    bool rehearse_commit(const std::string& key, const std::string& name, const std::string& parent,
                         const oci::Labels& labels);
    void refuse_existing(const std::string& key, const oci::Labels& labels, LeaseHold& lease);
    void discard_row(snapshot::Id id, const std::string& key);
    void discard_directory(snapshot::Id id) const;

    Store& store_;
    std::string namespace_;
    std::unique_ptr<snapshot::Snapshotter> snapshotter_;
    meta::Snapshots rows_;
};

} // namespace lade::store
