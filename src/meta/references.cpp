// SPDX-License-Identifier: Apache-2.0
#include "meta/references.hpp"

#include <map>
#include <tuple>

#include "oci/labels.hpp"

namespace lade::meta {

namespace {

namespace label = oci::label;

class Graph {
public:
    std::uint32_t add(NodeType type, std::string snapshotter, std::string key) {
        const auto index = static_cast<std::uint32_t>(nodes_.size());
        index_.emplace(std::tuple(type, snapshotter, key), index);
        nodes_.push_back({.type = type,
                          .snapshotter = std::move(snapshotter),
                          .key = std::move(key),
                          .root = false,
                          .references = {}});
        return index;
    }

    // References are read after all nodes, so whatever is not found now does not exist.
    void refer(std::uint32_t from, NodeType type, const std::string& snapshotter, const std::string& key) {
        if (const auto target = index_.find(std::tuple(type, snapshotter, key)); target != index_.end())
            nodes_[from].references.push_back(target->second);
    }

    void refer_by_label(std::uint32_t from, std::string_view key, const std::string& value) {
        if (names(key, label::gc_ref_content)) {
            refer(from, NodeType::content, "", value);
        } else if (names(key, label::gc_ref_image)) {
            refer(from, NodeType::image, "", value);
        } else if (key.starts_with(label::gc_ref_snapshot)) {
            // Only a '/' ends the snapshotter's name; what follows tells several references apart.
            const std::string_view rest = key.substr(label::gc_ref_snapshot.size());
            refer(from, NodeType::snapshot, std::string(rest.substr(0, rest.find('/'))), value);
        }
    }

    Node& operator[](std::uint32_t index) { return nodes_[index]; }
    std::vector<Node> take() { return std::move(nodes_); }

private:
    static bool names(std::string_view key, std::string_view stem) {
        return key.starts_with(stem) &&
               (key.size() == stem.size() || key[stem.size()] == '.' || key[stem.size()] == '/');
    }

    std::vector<Node> nodes_;
    std::map<std::tuple<NodeType, std::string, std::string>, std::uint32_t> index_;
};

using Rows = std::map<std::int64_t, std::uint32_t>;

void read_labels_of(Database& database, Graph& graph, const Rows& rows, const std::string& table, bool may_be_root) {
    Statement labels =
        database.query("SELECT owner, key, value FROM " + table + " WHERE key LIKE 'containerd.io/gc.%'");
    while (labels.next()) {
        const auto row = rows.find(labels.integer(0));
        if (row == rows.end())
            continue;
        if (may_be_root && labels.text(1).starts_with(label::gc_root))
            graph[row->second].root = true;
        graph.refer_by_label(row->second, labels.text(1), labels.text(2));
    }
}

} // namespace

std::vector<Node> read_references(Database& database, const std::string& name_space, Time time,
                                  const std::function<bool(const Lease&)>& lives) {
    Graph graph;
    Rows content;
    Rows snapshots;
    Rows images;
    Rows containers;
    std::map<std::string, std::uint32_t> ingests;
    for (Statement rows = database.query("SELECT id, digest FROM content WHERE namespace = ?", name_space);
         rows.next();)
        content.emplace(rows.integer(0), graph.add(NodeType::content, "", rows.text(1)));
    for (Statement rows = database.query("SELECT id, snapshotter, key FROM snapshots WHERE namespace = ?", name_space);
         rows.next();)
        snapshots.emplace(rows.integer(0), graph.add(NodeType::snapshot, rows.text(1), rows.text(2)));
    for (Statement rows = database.query("SELECT id, name FROM images WHERE namespace = ?", name_space); rows.next();) {
        const std::uint32_t node = graph.add(NodeType::image, "", rows.text(1));
        graph[node].root = true;
        images.emplace(rows.integer(0), node);
    }
    for (Statement rows = database.query("SELECT id, name FROM containers WHERE namespace = ?", name_space);
         rows.next();) {
        const std::uint32_t node = graph.add(NodeType::container, "", rows.text(1));
        graph[node].root = true;
        containers.emplace(rows.integer(0), node);
    }
    for (Statement rows = database.query("SELECT ref, expires FROM ingests WHERE namespace = ?", name_space);
         rows.next();) {
        const std::uint32_t node = graph.add(NodeType::ingest, "", rows.text(0));
        graph[node].root = rows.optional_integer(1) && rows.time(1) > time;
        ingests.emplace(rows.text(0), node);
    }
    std::map<std::string, std::uint32_t> leases;
    for (const Lease& lease : Leases(database, name_space).list()) {
        const std::uint32_t node = graph.add(NodeType::lease, "", lease.id);
        graph[node].root = lives(lease);
        leases.emplace(lease.id, node);
    }

    for (Statement rows = database.query("SELECT id, digest FROM images WHERE namespace = ?", name_space); rows.next();)
        graph.refer(images.at(rows.integer(0)), NodeType::content, "", rows.text(1));
    for (Statement rows =
             database.query("SELECT c.id, p.snapshotter, p.key FROM snapshots c JOIN snapshots p ON p.id = c.parent "
                            "WHERE c.namespace = ?",
                            name_space);
         rows.next();)
        graph.refer(snapshots.at(rows.integer(0)), NodeType::snapshot, rows.text(1), rows.text(2));
    for (Statement rows = database.query(
             "SELECT id, snapshotter, snapshot_key, image FROM containers WHERE namespace = ?", name_space);
         rows.next();) {
        graph.refer(containers.at(rows.integer(0)), NodeType::snapshot, rows.text(1), rows.text(2));
    }
    for (Statement rows = database.query(
             "SELECT ref, expected FROM ingests WHERE namespace = ? AND expected IS NOT NULL", name_space);
         rows.next();)
        graph.refer(ingests.at(rows.text(0)), NodeType::content, "", rows.text(1));
    for (Statement rows =
             database.query("SELECT l.name, r.type, r.key FROM lease_resources r JOIN leases l ON l.id = r.lease "
                            "WHERE l.namespace = ?",
                            name_space);
         rows.next();) {
        const std::uint32_t lease = leases.at(rows.text(0));
        const std::string type = rows.text(1);
        constexpr std::string_view snapshot_prefix = "snapshots/";
        if (type == "content")
            graph.refer(lease, NodeType::content, "", rows.text(2));
        else if (type == "ingests")
            graph.refer(lease, NodeType::ingest, "", rows.text(2));
        else if (type == "images")
            graph.refer(lease, NodeType::image, "", rows.text(2));
        else if (type.starts_with(snapshot_prefix))
            graph.refer(lease, NodeType::snapshot, type.substr(snapshot_prefix.size()), rows.text(2));
    }
    read_labels_of(database, graph, content, "content_labels", true);
    read_labels_of(database, graph, snapshots, "snapshot_labels", true);
    read_labels_of(database, graph, images, "image_labels", false);
    read_labels_of(database, graph, containers, "container_labels", false);
    return graph.take();
}

} // namespace lade::meta
