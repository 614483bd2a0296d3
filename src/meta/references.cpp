// SPDX-License-Identifier: Apache-2.0
#include "meta/references.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "meta/namespaces.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

namespace {

namespace label = oci::label;

// The nodes of one table by row id.
class Rows {
public:
    void add(std::int64_t id, std::uint32_t node) { rows_.emplace_back(id, node); }

    // Only after the last add().
    std::optional<std::uint32_t> find(std::int64_t id) {
        if (!sorted_)
            std::ranges::sort(rows_);
        sorted_ = true;
        const auto row = std::ranges::lower_bound(rows_, id, {}, &std::pair<std::int64_t, std::uint32_t>::first);
        if (row == rows_.end() || row->first != id)
            return std::nullopt;
        return row->second;
    }

private:
    std::vector<std::pair<std::int64_t, std::uint32_t>> rows_;
    bool sorted_ = false;
};

// "stem", "stem.anything" or "stem/anything".
bool is_named(std::string_view key, std::string_view stem) {
    return key.starts_with(stem) && (key.size() == stem.size() || key[stem.size()] == '.' || key[stem.size()] == '/');
}

// Only a '/' ends the snapshotter's name; what follows tells several references apart.
std::string_view snapshotter_in(std::string_view key, std::string_view stem) {
    const std::string_view rest = key.substr(stem.size());
    return rest.substr(0, rest.find('/'));
}

// "usedat<24h,usedat>720h|snapshot": any of them is enough, those that mean nothing are none.
struct Condition {
    std::string_view tests;
    std::string_view key;

    static std::optional<Condition> parse(std::string_view value) {
        const std::size_t bar = value.find('|');
        if (bar == std::string_view::npos)
            return std::nullopt;
        return Condition{.tests = value.substr(0, bar), .key = value.substr(bar + 1)};
    }

    bool holds(const std::vector<Time>& used, Time time) const {
        constexpr std::string_view subject = "usedat";
        for (const std::string& test : split(tests, ',')) {
            if (!test.starts_with(subject) || test.size() == subject.size())
                continue;
            const char comparison = test[subject.size()];
            const auto limit = parse_duration(std::string_view(test).substr(subject.size() + 1));
            if (limit && std::ranges::any_of(used, [&](Time one) {
                    return (comparison == '<' && time - one < *limit) || (comparison == '>' && time - one > *limit);
                }))
                return true;
        }
        return false;
    }
};

class Reader {
public:
    Reader(Database& database, Graph& graph, Time time) : database_(database), graph_(graph), time_(time) {}

    void nodes(const std::function<bool(const Lease&)>& lives);
    void references();
    void labels();

private:
    void leases(const std::function<bool(const Lease&)>& lives);
    // The statement gives owner, key and value of all labels of a table that speak to garbage collection.
    void labels_of(Rows& rows, Statement labels);
    void read_label(std::uint32_t node, const Statement& row);
    bool read_reference(std::uint32_t node, std::string_view key, std::string_view value);
    void read_back_reference(std::uint32_t node, std::string_view key, std::string_view value);
    void conditions();

    // In the node's namespace.
    std::uint32_t near(std::uint32_t node, std::string_view snapshotter = {}) {
        const Home& here = graph_.home(graph_[node]);
        return here.snapshotter == snapshotter ? graph_[node].home : graph_.home(here.name_space, snapshotter);
    }

    // Whether a condition holds shows only when all snapshots have been read.
    struct Conditional {
        std::uint32_t from;
        std::string key;
        std::string value;
    };

    Database& database_;
    Graph& graph_;
    Time time_;
    Rows content_;
    Rows snapshots_;
    Rows images_;
    Rows containers_;
    Rows leases_;
    std::vector<Conditional> conditional_;
    std::map<Home, std::map<std::string, std::vector<Time>, std::less<>>> used_;
};

void Reader::nodes(const std::function<bool(const Lease&)>& lives) {
    for (Statement rows = database_.query("SELECT id, namespace, digest FROM content"); rows.next();)
        content_.add(rows.integer(0), graph_.add(NodeType::content, graph_.home(rows.view(1)), rows.text(2)));
    for (Statement rows = database_.query("SELECT id, namespace, snapshotter, key FROM snapshots"); rows.next();)
        snapshots_.add(rows.integer(0),
                       graph_.add(NodeType::snapshot, graph_.home(rows.view(1), rows.view(2)), rows.text(3)));
    const auto add_root = [&](NodeType type, Rows& into, const Statement& row) {
        const std::uint32_t node = graph_.add(type, graph_.home(row.view(1)), row.text(2));
        graph_[node].root = true;
        into.add(row.integer(0), node);
    };
    for (Statement rows = database_.query("SELECT id, namespace, name FROM images"); rows.next();)
        add_root(NodeType::image, images_, rows);
    for (Statement rows = database_.query("SELECT id, namespace, name FROM containers"); rows.next();)
        add_root(NodeType::container, containers_, rows);
    for (Statement rows = database_.query("SELECT namespace, ref, expires FROM ingests"); rows.next();) {
        const std::uint32_t node = graph_.add(NodeType::ingest, graph_.home(rows.view(0)), rows.text(1));
        graph_[node].root = rows.optional_integer(2) && rows.time(2) > time_;
        graph_[node].expired = rows.optional_integer(2) && rows.time(2) <= time_;
    }
    leases(lives);
}

void Reader::leases(const std::function<bool(const Lease&)>& lives) {
    for (const Namespace& name_space : Namespaces(database_).list())
        for (const Lease& lease : Leases(database_, name_space.name).list()) {
            const std::uint32_t node = graph_.add(NodeType::lease, graph_.home(name_space.name), lease.id);
            graph_[node].root = lives(lease);
            graph_[node].flat = lease.labels.contains(std::string(label::gc_flat));
        }
}

void Reader::references() {
    Statement targets = database_.query("SELECT id, digest FROM images");
    while (targets.next())
        if (const auto node = images_.find(targets.integer(0)))
            graph_.refer(*node, NodeType::content, near(*node), targets.view(1), via_target);
    Statement parents = database_.query(
        "SELECT c.namespace, c.snapshotter, c.key, p.key FROM snapshots c JOIN snapshots p ON p.id = c.parent");
    while (parents.next()) {
        const std::uint32_t home = graph_.home(parents.view(0), parents.view(1));
        graph_.refer(*graph_.find(NodeType::snapshot, home, parents.view(2)), NodeType::snapshot, home, parents.view(3),
                     via_parent);
    }
    Statement uses =
        database_.query("SELECT namespace, name, snapshotter, snapshot_key FROM containers WHERE snapshotter != ''");
    while (uses.next())
        graph_.refer(*graph_.find(NodeType::container, graph_.home(uses.view(0)), uses.view(1)), NodeType::snapshot,
                     graph_.home(uses.view(0), uses.view(2)), uses.view(3), via_snapshot);
    Statement expected = database_.query("SELECT namespace, ref, expected FROM ingests WHERE expected IS NOT NULL");
    while (expected.next()) {
        const std::uint32_t home = graph_.home(expected.view(0));
        graph_.refer(*graph_.find(NodeType::ingest, home, expected.view(1)), NodeType::content, home, expected.view(2),
                     via_expected);
    }
    Statement held = database_.query(
        "SELECT l.namespace, l.name, r.type, r.key FROM lease_resources r JOIN leases l ON l.id = r.lease");
    while (held.next()) {
        const std::uint32_t home = graph_.home(held.view(0));
        const std::uint32_t lease = *graph_.find(NodeType::lease, home, held.view(1));
        const std::string_view type = held.view(2);
        constexpr std::string_view snapshots = "snapshots/";
        if (type == "content")
            graph_.refer(lease, NodeType::content, home, held.view(3), via_lease);
        else if (type == "ingests")
            graph_.refer(lease, NodeType::ingest, home, held.view(3), via_lease);
        else if (type == "images")
            graph_.refer(lease, NodeType::image, home, held.view(3), via_lease);
        else if (type.starts_with(snapshots))
            graph_.refer(lease, NodeType::snapshot, graph_.home(held.view(0), type.substr(snapshots.size())),
                         held.view(3), via_lease);
    }
}

void Reader::labels() {
    // '/' is the next byte after '.': these are the keys that begin with "containerd.io/gc.".
    labels_of(content_, database_.query("SELECT owner, key, value FROM content_labels WHERE key >= "
                                        "'containerd.io/gc.' AND key < 'containerd.io/gc/'"));
    labels_of(snapshots_, database_.query("SELECT owner, key, value FROM snapshot_labels WHERE key >= "
                                          "'containerd.io/gc.' AND key < 'containerd.io/gc/'"));
    labels_of(images_, database_.query("SELECT owner, key, value FROM image_labels WHERE key >= "
                                       "'containerd.io/gc.' AND key < 'containerd.io/gc/'"));
    labels_of(containers_, database_.query("SELECT owner, key, value FROM container_labels WHERE key >= "
                                           "'containerd.io/gc.' AND key < 'containerd.io/gc/'"));
    conditions();
}

void Reader::labels_of(Rows& rows, Statement labels) {
    while (labels.next())
        if (const auto node = rows.find(labels.integer(0)))
            read_label(*node, labels);
}

void Reader::read_label(std::uint32_t node, const Statement& row) {
    const std::string_view key = row.view(1);
    const std::string_view value = row.view(2);
    const NodeType type = graph_[node].type;
    const bool has_content = type == NodeType::content || type == NodeType::snapshot;
    if (read_reference(node, key, value))
        return;
    if (has_content && key.starts_with(label::gc_root)) {
        graph_[node].root = true;
    } else if (type == NodeType::image && key == label::gc_expire) {
        const auto end = parse_rfc3339(value);
        graph_[node].expired = end && *end < time_;
        graph_[node].root = !graph_[node].expired;
    } else if (type == NodeType::snapshot && key.starts_with(label::gc_used_at)) {
        if (const auto used = parse_rfc3339(value))
            used_[graph_.home(graph_[node])][graph_[node].key].push_back(*used);
    } else if ((type == NodeType::content || type == NodeType::image) && key.starts_with(label::gc_condition)) {
        conditional_.push_back({.from = node, .key = std::string(key), .value = std::string(value)});
    } else {
        read_back_reference(node, key, value);
    }
}

bool Reader::read_reference(std::uint32_t node, std::string_view key, std::string_view value) {
    if (is_named(key, label::gc_ref_content))
        graph_.refer(node, NodeType::content, near(node), value, graph_.via(key));
    else if (is_named(key, label::gc_ref_image))
        graph_.refer(node, NodeType::image, near(node), value, graph_.via(key));
    else if (key.starts_with(label::gc_ref_snapshot))
        graph_.refer(node, NodeType::snapshot, near(node, snapshotter_in(key, label::gc_ref_snapshot)), value,
                     graph_.via(key));
    else
        return false;
    return true;
}

void Reader::read_back_reference(std::uint32_t node, std::string_view key, std::string_view value) {
    if (is_named(key, label::gc_bref_content))
        graph_.refer_back(node, NodeType::content, near(node), value, graph_.via(key));
    else if (is_named(key, label::gc_bref_image))
        graph_.refer_back(node, NodeType::image, near(node), value, graph_.via(key));
    else if (is_named(key, label::gc_bref_container))
        graph_.refer_back(node, NodeType::container, near(node), value, graph_.via(key));
    else if (key.starts_with(label::gc_bref_snapshot))
        graph_.refer_back(node, NodeType::snapshot, near(node, snapshotter_in(key, label::gc_bref_snapshot)), value,
                          graph_.via(key));
}

void Reader::conditions() {
    for (const Conditional& one : conditional_) {
        const auto condition = Condition::parse(one.value);
        const std::string_view snapshotter = snapshotter_in(one.key, label::gc_condition);
        const auto home = used_.find(
            Home{.name_space = graph_.home(graph_[one.from]).name_space, .snapshotter = std::string(snapshotter)});
        if (!condition || home == used_.end())
            continue;
        const auto used = home->second.find(condition->key);
        if (used != home->second.end() && condition->holds(used->second, time_))
            graph_.refer(one.from, NodeType::snapshot, near(one.from, snapshotter), condition->key,
                         graph_.via(one.key));
    }
}

} // namespace

void read_references(Database& database, Graph& into, Time time, const std::function<bool(const Lease&)>& lives) {
    Reader reader(database, into, time);
    reader.nodes(lives);
    reader.references();
    reader.labels();
    into.finish();
}

} // namespace lade::meta
