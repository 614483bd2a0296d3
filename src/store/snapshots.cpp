// SPDX-License-Identifier: Apache-2.0
#include "store/snapshots.hpp"

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"
#include "meta/namespaces.hpp"
#include "snapshot/idmap.hpp"
#include "store/digests.hpp"
#include "store/mounts.hpp"

namespace lade::store {

namespace {

std::string working_key(std::string_view prefix) {
    return cat(prefix, now().time_since_epoch().count() % 1'000'000'000, '-', random_text(4));
}

} // namespace

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

std::string Snapshots::complete(const std::string& text) {
    if (!oci::Digest::is_abbreviation(text) || rows_.find(text))
        return text;
    return only_candidate("snapshot", text, rows_.starting_with(text, most_candidates + 1)).value_or(text);
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

void Snapshots::hold(const std::string& key, LeaseHold& lease) {
    meta::Transaction transaction(store_.database());
    get(key);
    lease.add_own(resource(key));
    transaction.commit();
}

std::vector<snapshot::Id> Snapshots::parents(const std::string& key) {
    return rows_.parents(key);
}

std::vector<snapshot::Mount> Snapshots::mounts(const std::string& key) {
    const Snapshot snapshot = get(key);
    if (snapshot.kind == SnapshotKind::committed)
        throw Error(ErrorKind::failed_precondition, "snapshot ", printable(key),
                    " is committed: only active snapshots and views are mounted");
    return snapshotter_->mounts({.id = snapshot.id, .parents = parents(key), .labels = snapshot.labels},
                                snapshot.kind == SnapshotKind::active ? snapshot::Access::read_write
                                                                      : snapshot::Access::read_only);
}

Fd Snapshots::open_tree(const std::string& key) {
    const Snapshot snapshot = get(key);
    snapshot::Stack stack{.id = snapshot.id, .parents = parents(key)};
    if (snapshot.kind == SnapshotKind::active)
        return open_mounts(read_only(snapshotter_->mounts(stack, snapshot::Access::read_write)),
                           snapshotter_->path(stack.id));
    if (snapshot.kind == SnapshotKind::committed)
        stack.parents.insert(stack.parents.begin(), snapshot.id);
    return open_mounts(snapshotter_->mounts(stack, snapshot::Access::read_only), snapshotter_->path(stack.id));
}

Fd Snapshots::open_tree(const snapshot::Stack& stack) {
    return open_mounts(snapshotter_->mounts(stack, snapshot::Access::read_write), snapshotter_->path(stack.id));
}

std::optional<Snapshots::LayerTree> Snapshots::layer_tree(const std::string& key) {
    const Snapshot snapshot = get(key);
    if (snapshotter_->form() != snapshot::TreeForm::layer || snapshot.kind == SnapshotKind::view)
        return std::nullopt;
    return LayerTree{.root = snapshot.kind == SnapshotKind::committed ? snapshotter_->layer(snapshot.id)
                                                                      : snapshotter_->tree(snapshot.id),
                     .marks = overlay_marks(privilege())};
}

std::optional<Snapshots::Remapping> Snapshots::remapping(const std::string& key) {
    const Snapshot snapshot = get(key);
    const auto uids = snapshot.labels.find(std::string(snapshot::uid_mapping_label));
    const auto gids = snapshot.labels.find(std::string(snapshot::gid_mapping_label));
    if (snapshot.kind == SnapshotKind::view || !snapshotter_->remaps() || uids == snapshot.labels.end() ||
        gids == snapshot.labels.end())
        return std::nullopt;
    return Remapping{.layer = snapshot.parent.empty() ? Fd() : snapshotter_->tree(snapshot.id),
                     .undo = [users = snapshot::parse_id_mapping(uids->second),
                              groups = snapshot::parse_id_mapping(gids->second)](struct stat& st) {
                         const auto uid = snapshot::container_id(users, st.st_uid);
                         const auto gid = snapshot::container_id(groups, st.st_gid);
                         if (!uid || !gid)
                             throw Error(ErrorKind::failed_precondition, "owner ", st.st_uid, ':', st.st_gid,
                                         " is not one that the snapshot's uidmapping and gidmapping show");
                         st.st_uid = *uid;
                         st.st_gid = *gid;
                     }};
}

DiskUsage Snapshots::usage(const std::string& key) {
    const Snapshot snapshot = get(key);
    if (snapshot.kind == SnapshotKind::view)
        return {};
    return snapshotter_->usage({.id = snapshot.id,
                                .parents = parents(key),
                                .labels = {},
                                .is_committed = snapshot.kind == SnapshotKind::committed});
}

void Snapshots::discard_directory(snapshot::Id id) const {
    snapshotter_->discard(id, store_.trash(), Store::trash_name(cat(snapshotter_->name(), '-', id)));
}

snapshot::Id Snapshots::remove_row(const std::string& key, const std::string& lease) {
    refuse_mounted(store_, snapshotter_->name(), get(key));
    const snapshot::Id id = rows_.remove(key);
    if (meta::Leases leases(store_.database(), namespace_); !lease.empty() && leases.find(lease))
        leases.drop(lease, resource(key));
    return id;
}

void Snapshots::remove_directory(snapshot::Id id) {
    discard_directory(id);
    fault::point("snapshot.remove.trash");
    // The row is gone, which was the task; the files that stay are the next collection's.
    static_cast<void>(store_.empty_trash());
}

RangeLock Snapshots::lock(const std::string& key, const std::stop_token& stop) {
    return store_.snapshot_lock(get(key).id, stop);
}

void Snapshots::remove(const std::string& key, const std::string& lease, const std::stop_token& stop) {
    const RangeLock ours = lock(key, stop);
    meta::Transaction transaction(store_.database());
    const snapshot::Id id = remove_row(key, lease);
    fault::point("snapshot.remove.row");
    transaction.commit();
    fault::point("snapshot.remove.done");
    remove_directory(id);
}

Snapshot Snapshots::update(const std::string& key, const oci::Labels& labels, const std::vector<std::string>& paths) {
    meta::Transaction transaction(store_.database());
    Snapshot updated = rows_.update(key, labels, paths);
    transaction.commit();
    return updated;
}

// Whoever is told that a snapshot is there already relies on it.
void Snapshots::refuse_existing(const std::string& key, const oci::Labels& labels, LeaseHold& lease) {
    const auto target = labels.find(std::string(oci::label::snapshot_ref));
    meta::Transaction transaction(store_.database());
    for (const std::string& one : {target == labels.end() ? std::string() : target->second, key}) {
        if (one.empty() || !rows_.find(one))
            continue;
        lease.add(resource(one));
        transaction.commit();
        throw Error(ErrorKind::already_exists, "snapshot ", printable(one), " already exists");
    }
}

Snapshot Snapshots::create(SnapshotKind kind, const std::string& key, const std::string& parent,
                           const oci::Labels& labels, LeaseHold& lease, const std::stop_token& stop) {
    refuse_existing(key, labels, lease);
    Draft draft(*this, kind, parent, labels, lease, stop);
    meta::Transaction transaction(store_.database());
    draft.finish(key);
    fault::point("snapshot.prepare.row");
    transaction.commit();
    fault::point("snapshot.prepare.done");
    return get(key);
}

// Whoever is refused has lost nothing: the files are touched when nothing else can be wrong any more. False: `name` is
// there already.
bool Snapshots::rehearse_commit(const std::string& key, const std::string& name, const std::string& parent,
                                const oci::Labels& labels) {
    const meta::Transaction rolled_back(store_.database());
    try {
        rows_.commit(key, name, parent, labels);
        return true;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::already_exists)
            throw;
        return false;
    }
}

void Snapshots::commit_active(const std::string& key, const std::string& name, const std::string& parent,
                              const oci::Labels& labels, LeaseHold& lease, const std::stop_token& stop) {
    const RangeLock ours = lock(key, stop);
    const Snapshot snapshot = get(key);
    if (rehearse_commit(key, name, parent, labels)) {
        refuse_mounted(store_, snapshotter_->name(), snapshot);
        snapshotter_->seal(snapshot.id, stop);
    }
    fault::point("snapshot.commit.sealed");
    if (store_.sync() == Sync::full)
        snapshotter_->sync();
    meta::Transaction transaction(store_.database());
    lease.add(resource(name));
    try {
        rows_.commit(key, name, parent, labels);
        lease.drop(resource(key));
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::already_exists)
            transaction.commit();
        throw;
    }
    fault::point("snapshot.commit.row");
    transaction.commit();
    fault::point("snapshot.commit.done");
    attempt([&] { snapshotter_->trim(snapshot.id); });
}

Snapshots::Draft::Draft(Snapshots& snapshots, SnapshotKind kind, const std::string& parent, const oci::Labels& labels,
                        LeaseHold& lease, const std::stop_token& stop)
    : snapshots_(snapshots), lease_(lease), key_(working_key(meta::draft_prefix)) {
    oci::validate(labels);
    stack_.labels = labels;
    if (!snapshots.snapshotter_->remaps())
        for (const std::string_view label : {snapshot::uid_mapping_label, snapshot::gid_mapping_label})
            if (labels.contains(std::string(label)))
                throw Error(ErrorKind::invalid_argument, "label ", label, ": snapshotter ",
                            snapshots.snapshotter_->name(), " does not remap owners");
    {
        meta::Transaction transaction(snapshots_.store_.database());
        meta::Namespaces(snapshots_.store_.database()).ensure(snapshots_.namespace_);
        stack_.id = snapshots_.rows_.begin(key_, parent, kind);
        stack_.parents = snapshots_.rows_.parents(key_);
        lease_.add_own(snapshots_.resource(key_));
        transaction.commit();
    }
    fault::point("snapshot.prepare.draft");
    try {
        // A view shows its parents' directories; its own stays empty, but there.
        const bool is_view = kind == SnapshotKind::view;
        snapshots_.snapshotter_->create(
            is_view ? snapshot::Stack{.id = stack_.id, .parents = {}, .labels = labels} : stack_, stop);
        fault::point("snapshot.prepare.directory");
        if (snapshots_.store_.sync() == Sync::full)
            snapshots_.snapshotter_->sync();
    } catch (const Error&) {
        attempt([&] { snapshots_.discard_row(stack_.id, key_); });
        throw;
    }
}

Snapshots::Draft::~Draft() {
    attempt([&] {
        if (snapshots_.rows_.find(key_))
            snapshots_.discard_row(stack_.id, key_);
    });
}

void Snapshots::Draft::finish(const std::string& key) {
    snapshots_.rows_.finish(key_, key, stack_.labels);
    lease_.add(snapshots_.resource(key));
    lease_.drop(snapshots_.resource(key_));
}

Snapshots::Extraction Snapshots::prepare(const oci::ChainId& chain, std::vector<snapshot::Id> below, LeaseHold& lease,
                                         const std::stop_token& stop) {
    Extraction extraction{.chain = chain,
                          .key = cat(working_key("extract-"), ' ', chain.string()),
                          .stack = {.id = 0, .parents = std::move(below)}};
    {
        // The row comes first because it gives the id. Active rows are work in progress: the lease holds this
        // one, and without the lease it is garbage, with a directory or without.
        meta::Transaction transaction(store_.database());
        meta::Namespaces(store_.database()).ensure(namespace_);
        extraction.stack.id = rows_.create(extraction.key, "", SnapshotKind::active, {});
        lease.add_own(resource(extraction.key));
        transaction.commit();
    }
    fault::point("snapshot.unpack.row");
    try {
        snapshotter_->create(extraction.stack, stop);
        fault::point("snapshot.unpack.directory");
    } catch (const Error&) {
        discard({extraction});
        throw;
    }
    return extraction;
}

void Snapshots::reset(const Extraction& extraction, const std::stop_token& stop) {
    discard_directory(extraction.stack.id);
    fault::point("snapshot.unpack.reset");
    snapshotter_->create(extraction.stack, stop);
}

// Files first: removing rows needs room on the disk, which these may have filled.
void Snapshots::discard_row(snapshot::Id id, const std::string& key) {
    discard_directory(id);
    static_cast<void>(store_.empty_trash());
    meta::Transaction transaction(store_.database());
    rows_.abandon(key);
    transaction.commit();
}

void Snapshots::discard(const std::vector<Extraction>& extractions) noexcept {
    try {
        // Files first, as above.
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

void Snapshots::commit(const std::vector<Extraction>& extractions, const std::string& parent, LeaseHold& lease,
                       const std::stop_token& stop) {
    for (const Extraction& extraction : extractions) {
        const RangeLock ours = store_.snapshot_lock(extraction.stack.id, stop);
        snapshotter_->seal(extraction.stack.id, stop);
    }
    fault::point("snapshot.unpack.sealed");
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
                rows_.commit(extraction.key, name, below, {{std::string(oci::label::snapshot_ref), name}});
            lease.add(resource(name));
            lease.drop(resource(extraction.key));
            below = name;
        }
        fault::point("snapshot.unpack.rows");
        transaction.commit();
        fault::point("snapshot.unpack.done");
    }
    discard(late);
    for (const Extraction& extraction : extractions)
        attempt([&] { snapshotter_->trim(extraction.stack.id); });
}

} // namespace lade::store
