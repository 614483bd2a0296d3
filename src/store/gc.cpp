// SPDX-License-Identifier: Apache-2.0
#include "store/gc.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "content/ingest.hpp"
#include "meta/content.hpp"
#include "meta/leases.hpp"
#include "meta/namespaces.hpp"
#include "meta/references.hpp"
#include "meta/snapshots.hpp"
#include "store/blobs.hpp"
#include "store/leases.hpp"

namespace lade::store {

namespace {

using meta::Node;
using meta::NodeType;

std::vector<bool> mark(const std::vector<Node>& nodes) {
    std::vector<bool> kept(nodes.size(), false);
    std::vector<std::uint32_t> pending;
    for (std::uint32_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].root) {
            kept[i] = true;
            pending.push_back(i);
        }
    while (!pending.empty()) {
        const std::uint32_t node = pending.back();
        pending.pop_back();
        for (const std::uint32_t target : nodes[node].references)
            if (!kept[target]) {
                kept[target] = true;
                pending.push_back(target);
            }
    }
    return kept;
}

class Collection {
public:
    Collection(Store& store, Mode mode) : store_(store), mode_(mode) {}

    Collected run(const std::stop_token& stop) {
        // On a full disk this is the room that the rest needs.
        if (mode_ == Mode::remove)
            static_cast<void>(store_.empty_trash());
        {
            const FileLock publishing = store_.publish_lock(LockMode::exclusive, stop);
            meta::Transaction transaction(store_.database());
            for (const meta::Namespace& name_space : meta::Namespaces(store_.database()).list())
                sweep_rows(name_space.name);
            find_files();
            // A dry run removes the same rows and then takes it back: it cannot differ from the real one.
            if (mode_ == Mode::dry_run)
                return std::move(collected_);
            transaction.commit();
            move_files();
        }
        remove_ingests();
        remove_dead_locks(store_);
        collected_.left = store_.empty_trash();
        return std::move(collected_);
    }

private:
    void sweep_rows(const std::string& name) {
        meta::Database& database = store_.database();
        const Time time = now();
        const std::vector<Node> nodes =
            meta::read_references(database, name, time, [&](const Lease& lease) { return lives(store_, lease, time); });
        const std::vector<bool> kept = mark(nodes);
        std::map<std::string, std::set<std::string>> snapshots;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (kept[i])
                continue;
            const Node& node = nodes[i];
            switch (node.type) {
            case NodeType::content:
                meta::Content(database, name).remove(oci::Digest::parse(node.key));
                collected_.content.push_back({.name_space = name, .key = node.key});
                break;
            case NodeType::ingest:
                meta::Content(database, name).remove_ingest(node.key);
                collected_.ingests.push_back({.name_space = name, .key = node.key});
                break;
            case NodeType::lease:
                meta::Leases(database, name).remove(node.key);
                collected_.leases.push_back({.name_space = name, .key = node.key});
                break;
            case NodeType::snapshot:
                snapshots[node.snapshotter].insert(node.key);
                break;
            case NodeType::image:
            case NodeType::container:
                break; // always roots
            }
        }
        for (const auto& [snapshotter, keys] : snapshots)
            sweep_snapshots(name, snapshotter, keys);
    }

    // Children before parents: a kept snapshot keeps its parents, so what is left forms whole subtrees.
    void sweep_snapshots(const std::string& name, const std::string& snapshotter, const std::set<std::string>& keys) {
        meta::Snapshots rows(store_.database(), name, snapshotter);
        std::map<std::string, std::set<std::string>> children;
        std::vector<std::string> order;
        for (const meta::Snapshot& row : rows.list())
            if (keys.contains(row.key))
                children[keys.contains(row.parent) ? row.parent : ""].insert(row.key);
        std::vector<std::string> pending(children[""].begin(), children[""].end());
        while (!pending.empty()) {
            order.push_back(pending.back());
            pending.pop_back();
            for (const std::string& child : children[order.back()])
                pending.push_back(child);
        }
        std::reverse(order.begin(), order.end());
        for (const std::string& key : order) {
            rows.remove(key);
            collected_.snapshots.push_back({.name_space = name, .key = cat(snapshotter, '/', key)});
        }
    }

    // Blobs whose last content row is gone, and every file that no row names: left by the sweep above, by a
    // process that was killed between file and row, or by hand.
    void find_files() {
        meta::Database& database = store_.database();
        database.run("DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.digest = blobs.digest)");
        std::set<std::string> recorded;
        for (meta::Statement rows = database.query("SELECT digest FROM blobs"); rows.next();)
            recorded.insert(rows.text(0));
        const std::set<std::string> swept = keys_of(collected_.content);
        for (const oci::Digest& digest : store_.files().list())
            if (!recorded.contains(digest.string())) {
                collected_.bytes += store_.files().size(digest).value_or(0);
                if (!swept.contains(digest.string()))
                    collected_.files.push_back({.name_space = "", .key = digest.string()});
                blobs_.push_back(digest);
            }
        find_snapshot_directories();
        std::set<std::string> ingests;
        for (meta::Statement rows = database.query("SELECT namespace, ref FROM ingests"); rows.next();)
            ingests.insert(content::ingest_name(ingest_ref(rows.text(0), rows.text(1))));
        for (const std::string& name : content::ingest_names(store_.files()))
            if (!ingests.contains(name))
                ingests_.push_back(name);
        strays_ = store_.files().strays();
        for (const std::string& path : strays_)
            collected_.files.push_back({.name_space = "", .key = path});
    }

    void find_snapshot_directories() {
        for (const std::string_view name : snapshot::snapshotter_names()) {
            auto snapshotter = store_.open_snapshotter(name);
            std::set<snapshot::Id> known;
            for (meta::Statement rows = store_.database().query("SELECT id FROM snapshots WHERE snapshotter = ?", name);
                 rows.next();)
                known.insert(rows.integer(0));
            std::vector<snapshot::Id> lost;
            for (const snapshot::Id id : snapshotter->list())
                if (!known.contains(id)) {
                    lost.push_back(id);
                    collected_.bytes += snapshotter->usage(id).size;
                }
            directories_.emplace_back(std::move(snapshotter), std::move(lost));
        }
    }

    void move_files() const {
        for (const oci::Digest& digest : blobs_)
            store_.files().discard(digest, store_.trash(), Store::trash_name(digest.hex()));
        for (const std::string& path : strays_)
            store_.files().discard_stray(path, store_.trash(), Store::trash_name("stray"));
        for (const auto& [snapshotter, ids] : directories_)
            for (const snapshot::Id id : ids)
                snapshotter->discard(id, store_.trash(), Store::trash_name(cat(snapshotter->name(), '-', id)));
    }

    // An ingest that a living process holds gets its row back from that process; it stays.
    void remove_ingests() const {
        for (const std::string& name : ingests_)
            content::remove_dead_ingest(store_.files(), name);
    }

    static std::set<std::string> keys_of(const std::vector<Garbage>& garbage) {
        std::set<std::string> keys;
        for (const Garbage& one : garbage)
            keys.insert(one.key);
        return keys;
    }

    Store& store_;
    Mode mode_;
    Collected collected_;
    std::vector<oci::Digest> blobs_;
    std::vector<std::pair<std::unique_ptr<snapshot::Snapshotter>, std::vector<snapshot::Id>>> directories_;
    std::vector<std::string> ingests_;
    std::vector<std::string> strays_;
};

} // namespace

Collected collect(Store& store, Mode mode, const std::stop_token& stop) {
    return Collection(store, mode).run(stop);
}

bool is_collection_due(Store& store) {
    const Time time = now();
    meta::Database& database = store.database();
    if (database.query("SELECT 1 FROM ingests WHERE expires <= ? LIMIT 1", time).next())
        return true;
    for (meta::Statement rows = database.query("SELECT value FROM image_labels WHERE key = ?", oci::label::gc_expire);
         rows.next();)
        if (const auto end = parse_rfc3339(rows.text(0)); end && *end < time)
            return true;
    for (const meta::Namespace& name_space : meta::Namespaces(database).list())
        for (const Lease& lease : meta::Leases(database, name_space.name).list())
            if (!lives(store, lease, time))
                return true;
    return false;
}

} // namespace lade::store
