// SPDX-License-Identifier: Apache-2.0
#include "store/gc.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "content/ingest_files.hpp"
#include "meta/content.hpp"
#include "meta/expiry.hpp"
#include "meta/images.hpp"
#include "meta/inventory.hpp"
#include "meta/leases.hpp"
#include "meta/references.hpp"
#include "meta/snapshots.hpp"
#include "snapshot/folder.hpp"
#include "snapshot/mounted.hpp"
#include "store/blobs.hpp"
#include "store/leases.hpp"
#include "store/trim.hpp"

namespace lade::store {

namespace {

using meta::Node;
using meta::NodeType;

// Rows, from which on it pays to keep more of the database in memory.
constexpr std::size_t many = 1000;

template <typename Work>
void timed(Phases::Seconds& phase, Work&& work) {
    const auto begin = std::chrono::steady_clock::now();
    std::forward<Work>(work)();
    phase += std::chrono::steady_clock::now() - begin;
}

class Collection {
public:
    Collection(Store& store, Mode mode)
        : store_(store), mode_(mode), snapshots_(store.root() + "/snapshots"), time_(now()) {}

    Collected run(const std::stop_token& stop) {
        Phases& phases = collected_.phases;
        // On a full disk this is the room that the rest needs.
        if (mode_ == Mode::remove)
            timed(phases.trash, [&] { static_cast<void>(store_.empty_trash()); });
        timed(phases.files, [&] { list_files(); });
        {
            const FileLock publishing = store_.publish_lock(LockMode::exclusive, stop);
            meta::Transaction transaction(store_.database());
            timed(phases.mark, [&] { mark(); });
            timed(phases.sweep, [&] { sweep(); });
            timed(phases.files, [&] { compare_files(); });
            // A dry run removes the same rows and then takes it back: it cannot differ from the real one.
            if (mode_ == Mode::remove) {
                fault::point("gc.rows");
                timed(phases.sweep, [&] { transaction.commit(); });
                fault::point("gc.done");
                timed(phases.files, [&] { move_files(); });
            }
        }
        timed(phases.trash, [&] { remove_files(); });
        if (mode_ == Mode::remove)
            timed(phases.trash, [&] { trim_snapshots(store_); });
        return std::move(collected_);
    }

private:
    // With no lock held: a file that comes later is not on the list, and one that is had its row, if ever it gets one,
    // before the lock was ours.
    void list_files() {
        blob_entries_ = store_.files().entries();
        ingest_entries_ = content::ingest_names(store_.files());
        strays_ = store_.files().strays();
    }

    void mark() {
        meta::read_references(store_.database(), graph_, time_,
                              [&](const Lease& lease) { return lives(store_, lease, time_); });
        const std::vector<bool> kept = graph_.reachable();
        for (std::uint32_t i = 0; i < kept.size(); ++i) {
            const Node& node = graph_[i];
            if (!kept[i] && node.exists)
                doomed_.push_back(i);
            keeps_expired_ = keeps_expired_ || (kept[i] && node.expired);
        }
    }

    void sweep() {
        if (doomed_.size() > many)
            store_.database().expect_many_changes();
        std::vector<std::uint32_t> snapshots;
        for (const std::uint32_t i : doomed_) {
            const Node& node = graph_[i];
            const std::string& name_space = graph_.home(node).name_space;
            switch (node.type) {
            case NodeType::image:
                meta::Images(store_.database(), name_space).remove(node.key);
                collected_.images.push_back({.name_space = name_space, .key = node.key});
                break;
            case NodeType::content:
                meta::Content(store_.database(), name_space).remove(oci::Digest::parse(node.key));
                collected_.content.push_back({.name_space = name_space, .key = node.key});
                break;
            case NodeType::ingest:
                meta::Content(store_.database(), name_space).remove_ingest(node.key);
                collected_.ingests.push_back({.name_space = name_space, .key = node.key});
                break;
            case NodeType::lease:
                meta::Leases(store_.database(), name_space).remove(node.key);
                collected_.leases.push_back({.name_space = name_space, .key = node.key});
                break;
            case NodeType::snapshot:
                snapshots.push_back(i);
                break;
            case NodeType::container:
                break; // always a root
            }
        }
        sweep_snapshots(std::move(snapshots));
        meta::remove_lost_blobs(store_.database());
        if (keeps_expired_)
            meta::remember_expired(store_.database(), time_);
    }

    // Children before parents: a kept snapshot keeps its parents, so what goes are whole subtrees.
    void sweep_snapshots(std::vector<std::uint32_t> doomed) {
        std::vector<std::uint32_t> children(graph_.nodes().size(), 0);
        const auto for_parent = [&](std::uint32_t child, auto work) {
            for (const meta::Edge& edge : graph_.references(child))
                if (edge.via == meta::via_parent)
                    work(edge.to);
        };
        for (const std::uint32_t i : doomed)
            for_parent(i, [&](std::uint32_t parent) { ++children[parent]; });
        std::erase_if(doomed, [&](std::uint32_t i) { return children[i] > 0; });
        while (!doomed.empty()) {
            const std::uint32_t i = doomed.back();
            doomed.pop_back();
            const std::string& key = graph_[i].key;
            const auto& [name_space, snapshotter] = graph_.home(graph_[i]);
            const snapshot::Id id = meta::Snapshots(store_.database(), name_space, snapshotter).remove(key);
            swept_directories_.insert(snapshot::Folder::entry(snapshotter, id));
            collected_.snapshots.push_back({.name_space = name_space, .key = cat(snapshotter, '/', key)});
            for_parent(i, [&](std::uint32_t parent) {
                if (--children[parent] == 0 && std::ranges::binary_search(doomed_, parent))
                    doomed.push_back(parent);
            });
        }
    }

    // Whatever lies there without a row: left by the sweep above, by a process that was killed between file and row,
    // or by hand. And the rows that lost their files.
    void compare_files() {
        compare_blobs();
        compare_snapshots();
        compare_ingests();
        for (const std::string& path : strays_)
            collected_.files.push_back({.name_space = "", .key = path});
    }

    void compare_blobs() {
        std::unordered_set<std::string_view> swept;
        for (const Garbage& one : collected_.content)
            swept.insert(one.key);
        const auto is_lost = [&](const std::string& entry) {
            const auto digest = oci::Digest::try_parse(entry);
            if (!digest) {
                strays_.push_back(content::Blobs::path_of_entry(entry));
                return;
            }
            // Nothing by now: another process took it away.
            const auto size = store_.files().size(*digest);
            if (!size)
                return;
            collected_.bytes += *size;
            if (!swept.contains(entry))
                collected_.files.push_back({.name_space = "", .key = entry});
            blobs_.push_back(*digest);
        };
        auto entry = blob_entries_.cbegin();
        meta::for_each_blob(store_.database(), [&](std::string_view digest) {
            while (entry != blob_entries_.cend() && *entry < digest)
                is_lost(*entry++);
            if (entry != blob_entries_.cend() && *entry == digest)
                ++entry;
            else if (!store_.files().size(oci::Digest::parse(digest)))
                for (const std::string& name_space : meta::namespaces_with(store_.database(), digest))
                    collected_.missing.push_back({.name_space = name_space, .key = std::string(digest)});
        });
        while (entry != blob_entries_.cend())
            is_lost(*entry++);
    }

    void compare_snapshots() {
        std::vector<meta::SnapshotDirectory> rows = meta::snapshot_directories(store_.database());
        std::set<std::string> snapshotters;
        std::unordered_set<std::string> known;
        for (const meta::SnapshotDirectory& row : rows) {
            snapshotters.insert(row.snapshotter);
            known.insert(snapshot::Folder::entry(row.snapshotter, row.id));
        }
        const std::vector<std::string> entries = snapshots_.entries(snapshotters);
        for (const std::string& entry : entries) {
            if (known.contains(entry))
                continue;
            if (const auto point = point_of(entry)) {
                collected_.left.push_back(cat("snapshots/", printable(entry), ": mounted at ", printable(*point)));
                continue;
            }
            if (!swept_directories_.contains(entry))
                collected_.files.push_back({.name_space = "", .key = "snapshots/" + entry});
            directories_.push_back(entry);
        }
        // Active ones and views may be about to get theirs, or need none.
        for (const meta::SnapshotDirectory& row : rows)
            if (row.kind == meta::SnapshotKind::committed &&
                !std::ranges::binary_search(entries, snapshot::Folder::entry(row.snapshotter, row.id)))
                collected_.missing.push_back(
                    {.name_space = row.name_space, .key = cat("snapshots/", row.snapshotter, '/', row.key)});
    }

    // The table of mounts is read when the first directory is to go, mostly never.
    std::optional<std::string> point_of(const std::string& entry) {
        if (!mounted_)
            mounted_.emplace(store_.root() + "/snapshots");
        return mounted_->point_of(entry);
    }

    // An ingest that a living process holds gets its row back from that process; it stays.
    void compare_ingests() {
        std::unordered_set<std::string> known;
        for (const meta::IngestName& row : meta::ingest_names(store_.database()))
            known.insert(content::ingest_name(ingest_ref(row.name_space, row.ref)));
        std::unordered_set<std::string> swept;
        for (const Garbage& one : collected_.ingests)
            swept.insert(content::ingest_name(ingest_ref(one.name_space, one.key)));
        for (const std::string& name : ingest_entries_) {
            const auto size = known.contains(name) ? std::nullopt : content::size_of_dead_ingest(store_.files(), name);
            if (!size)
                continue;
            collected_.bytes += *size;
            if (!swept.contains(name))
                collected_.files.push_back({.name_space = "", .key = "ingest/" + name});
            ingests_.push_back(name);
        }
    }

    void move_files() {
        for (const oci::Digest& digest : blobs_)
            store_.files().discard(digest, store_.trash(), Store::trash_name(digest.hex()));
        fault::point("gc.blobs");
        for (const std::string& path : strays_)
            store_.files().discard_stray(path, store_.trash(), Store::trash_name("stray"));
        for (const std::string& entry : directories_)
            snapshots_.discard(entry, store_.trash(), moved_.emplace_back(Store::trash_name("snapshot")));
        fault::point("gc.trash");
    }

    // To sum up a tree takes long, so it is done when nobody waits any more. One that cannot be read is told of when it
    // cannot be removed.
    void remove_files() {
        if (mode_ == Mode::dry_run) {
            for (const std::string& entry : directories_)
                attempt([&] { collected_.bytes += snapshots_.usage(entry).size; });
            return;
        }
        for (const std::string& name : moved_)
            attempt([&] { collected_.bytes += disk_usage(store_.trash(), name).size; });
        for (const std::string& name : ingests_)
            content::remove_dead_ingest(store_.files(), name);
        remove_dead_locks(store_);
        for (std::string& line : store_.empty_trash())
            collected_.left.push_back(std::move(line));
    }

    Store& store_;
    Mode mode_;
    snapshot::Folder snapshots_;
    std::optional<snapshot::Mounted> mounted_;
    Time time_;
    meta::Graph graph_;
    std::vector<std::uint32_t> doomed_; // nodes, ascending
    bool keeps_expired_ = false;
    Collected collected_;
    std::unordered_set<std::string> swept_directories_;
    // What lies on disk,
    std::vector<std::string> blob_entries_;
    std::vector<std::string> ingest_entries_;
    // and what of it goes.
    std::vector<oci::Digest> blobs_;
    std::vector<std::string> ingests_;
    std::vector<std::string> strays_;
    std::vector<std::string> directories_;
    std::vector<std::string> moved_; // the names of these in the trash
};

} // namespace

Collected collect(Store& store, Mode mode, const std::stop_token& stop) {
    return Collection(store, mode).run(stop);
}

bool is_collection_due(Store& store) {
    const Time time = now();
    if (meta::has_expired(store.database(), time))
        return true;
    const std::vector<std::string> owners = meta::owner_locks(store.database());
    return std::ranges::any_of(owners, [&](const std::string& lock) {
        return !lives(store, {.id = "", .owner_lock = lock, .labels = {}, .created = {}}, time);
    });
}

} // namespace lade::store
