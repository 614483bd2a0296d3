// SPDX-License-Identifier: Apache-2.0
#include "store/snapshots.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/namespaces.hpp"

namespace lade::store {

Snapshots::Snapshots(Store& store, std::string name_space, std::string_view snapshotter)
    : store_(store),
      namespace_(std::move(name_space)),
      snapshotter_(store.open_snapshotter(snapshotter)),
      rows_(store.database(), namespace_, std::string(snapshotter)) {}

LeaseResource Snapshots::resource(const std::string& key) const {
    return {.type = cat("snapshots/", snapshotter_->name()), .key = key};
}

std::vector<Snapshot> Snapshots::list() {
    return rows_.list();
}

std::optional<Snapshot> Snapshots::find(const std::string& key) {
    return rows_.find(key);
}

Snapshot Snapshots::get(const std::string& key) {
    auto snapshot = rows_.find(key);
    if (!snapshot)
        throw Error(ErrorKind::not_found, "snapshot ", printable(key), " not found");
    return *std::move(snapshot);
}

std::size_t Snapshots::hold(const std::vector<oci::ChainId>& chain, LeaseHold& lease) {
    meta::Transaction transaction(store_.database());
    std::size_t present = chain.size();
    // Whatever has a snapshot has its parents' too.
    while (present > 0 && !rows_.find(chain[present - 1].string()))
        --present;
    if (present > 0)
        lease.add(resource(chain[present - 1].string()));
    transaction.commit();
    return present;
}

std::vector<snapshot::Id> Snapshots::parents(const std::string& key) {
    return rows_.parents(key);
}

std::vector<snapshot::Mount> Snapshots::mounts(const std::string& key) {
    const Snapshot snapshot = get(key);
    if (snapshot.kind == SnapshotKind::committed)
        throw Error(ErrorKind::failed_precondition, "snapshot ", printable(key),
                    " is committed: only active snapshots and views are mounted");
    return snapshotter_->mounts({.id = snapshot.id, .parents = parents(key)}, snapshot.kind == SnapshotKind::active
                                                                                  ? snapshot::Access::read_write
                                                                                  : snapshot::Access::read_only);
}

DiskUsage Snapshots::usage(const std::string& key) {
    const Snapshot snapshot = get(key);
    return snapshot.kind == SnapshotKind::view ? DiskUsage{} : snapshotter_->usage(snapshot.id);
}

void Snapshots::discard_directory(snapshot::Id id) const {
    snapshotter_->discard(id, store_.trash(), Store::trash_name(cat(snapshotter_->name(), '-', id)));
}

void Snapshots::remove(const std::string& key) {
    snapshot::Id id = 0;
    {
        meta::Transaction transaction(store_.database());
        id = rows_.remove(key);
        transaction.commit();
    }
    discard_directory(id);
    // The row is gone, which was the task; the files that stay are the next collection's.
    static_cast<void>(store_.empty_trash());
}

Snapshots::Extraction Snapshots::prepare(const oci::ChainId& chain, std::vector<snapshot::Id> below, LeaseHold& lease,
                                         const std::stop_token& stop) {
    Extraction extraction{.chain = chain,
                          .key = cat("extract-", now().time_since_epoch().count() % 1'000'000'000, '-', random_text(4),
                                     ' ', chain.string()),
                          .stack = {.id = 0, .parents = std::move(below)}};
    {
        // The row comes first because it gives the id. Active rows are work in progress: the lease holds this
        // one, and without the lease it is garbage, with a directory or without.
        meta::Transaction transaction(store_.database());
        meta::Namespaces(store_.database()).ensure(namespace_);
        extraction.stack.id = rows_.create(extraction.key, "", SnapshotKind::active, {});
        lease.add(resource(extraction.key));
        transaction.commit();
    }
    try {
        snapshotter_->create(extraction.stack, stop);
    } catch (const Error&) {
        discard({extraction});
        throw;
    }
    return extraction;
}

void Snapshots::reset(const Extraction& extraction, const std::stop_token& stop) {
    discard_directory(extraction.stack.id);
    snapshotter_->create(extraction.stack, stop);
}

void Snapshots::discard(const std::vector<Extraction>& extractions) noexcept {
    try {
        // Files first: removing rows needs room on the disk, which these may have filled.
        for (const Extraction& extraction : extractions)
            discard_directory(extraction.stack.id);
        static_cast<void>(store_.empty_trash());
        meta::Transaction transaction(store_.database());
        for (const Extraction& extraction : extractions)
            if (rows_.find(extraction.key))
                rows_.remove(extraction.key);
        transaction.commit();
    } catch (const Error&) {
        return;
    }
}

void Snapshots::commit(const std::vector<Extraction>& extractions, const std::string& parent, LeaseHold& lease) {
    if (store_.sync() == Sync::full && !extractions.empty())
        snapshotter_->sync();
    std::vector<Extraction> late;
    {
        meta::Transaction transaction(store_.database());
        std::string below = parent;
        for (const Extraction& extraction : extractions) {
            const std::string name = extraction.chain.string();
            if (rows_.find(name))
                late.push_back(extraction);
            else
                rows_.commit(extraction.key, name, below, {{"containerd.io/snapshot.ref", name}});
            lease.add(resource(name));
            lease.drop(resource(extraction.key));
            below = name;
        }
        transaction.commit();
    }
    discard(late);
}

} // namespace lade::store
