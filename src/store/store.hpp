// SPDX-License-Identifier: Apache-2.0
// The store as a place on disk (design.md 2): its layout, its locks, and the rooms below it. Where rows and
// files meet is in the other units of this folder, one per noun.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/locks.hpp"
#include "content/blobs.hpp"
#include "meta/sqlite.hpp"
#include "snapshot/snapshotter.hpp"

namespace lade::store {

// What a finished command has made durable.
enum class Sync {
    none,    // nothing: for runners whose disk dies with the job
    content, // blobs and rows
    full,    // unpacked snapshots too
};

class Store {
public:
    // Opens the store at `root`, making and migrating it as needed, for its owner alone. permission_denied: it cannot
    // be opened; failed_precondition: made by a newer lade, or a directory that others use; data_loss: a damaged
    // database. Safe for any number of processes at once, and for the threads of this one. `patience`
    // is for whatever other processes hold; its limit is theirs who download or unpack, what is held for an instant is
    // waited for a minute at most. `stop` ends every wait for the database.
    Store(const std::string& root, Sync sync, const Patience& patience = {}, std::stop_token stop = {});

    // Others wait until we end: the disk is so full that there is no other way to read it.
    bool keeps_others_out() const noexcept { return database_->is_alone(); }
    // permission_denied: it lies on a read-only file system, where it can be read like any other.
    void require_writable() const;

    // A file that is worth nothing but its room: whoever is about to remove something gets that when the disk has none
    // left for the record of it. Made where there is plenty, else not; both do nothing rather than fail.
    void keep_reserve() const noexcept;
    void use_reserve() const noexcept;

    const std::string& root() const noexcept { return root_; }
    Sync sync() const noexcept { return sync_; }
    meta::Database& database() noexcept { return *database_; }
    const content::Blobs& files() const noexcept { return *files_; }
    // Opens the kind's directory on first use by the caller; invalid_argument for an unknown kind.
    std::unique_ptr<snapshot::Snapshotter> open_snapshotter(std::string_view name) const;
    // snapshot::unusable() here.
    std::optional<std::string> unusable(std::string_view snapshotter) const;

    // Shared: between a rename and its row. Exclusive: while garbage collection decides and moves files.
    FileLock publish_lock(LockMode mode, const std::stop_token& stop) const;
    // Held while one process unpacks the image that `slot` stands for.
    RangeLock unpack_lock(std::uint64_t slot, const std::stop_token& stop) const;
    // Held while one process mounts the snapshot, or makes something else of it: see Snapshots::lock().
    RangeLock snapshot_lock(snapshot::Id id, const std::stop_token& stop) const;
    // nullopt when another one holds it.
    std::optional<RangeLock> try_snapshot_lock(snapshot::Id id) const;
    int locks() const noexcept { return locks_.get(); }

    int trash() const noexcept { return trash_.get(); }
    // A name nobody else uses there.
    static std::string trash_name(std::string_view what);
    // Removes what lies in the trash, also what a killed process left. Holds no lock. One thing that stays is no
    // reason to keep the others: what stayed and why is returned, one line each.
    std::vector<std::string> empty_trash() const;

private:
    Fd lock_file(const char* name) const;
    std::unique_ptr<meta::Database> open_database(const std::stop_token& stop) const;

    std::string root_;
    Sync sync_;
    Patience patience_;
    Fd locks_;
    Fd trash_;
    std::unique_ptr<content::Blobs> files_;
    std::unique_ptr<meta::Database> database_;
};

// failed_precondition: the store at `root` is another user's, who could not use what this one writes there. There need
// not be any.
void require_own(const std::string& root);

// --root, else LADE_ROOT, else /var/lib/lade for root and ${XDG_DATA_HOME:-~/.local/share}/lade for others.
// Always absolute.
std::string default_root();

} // namespace lade::store
