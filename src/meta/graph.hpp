// SPDX-License-Identifier: Apache-2.0
// The objects of a store and what keeps what, as a value: nodes, edges, and the two questions about them
// (containerd-store.md 3.1, 3.3, 3.4). Knows no rows; meta/references reads them into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lade::meta {

enum class NodeType : std::uint8_t { content, snapshot, image, ingest, lease, container };
// "content", "snapshot", ...
std::string_view to_string(NodeType type) noexcept;

struct Node {
    std::string key;        // digest, snapshot key, image name, ingest ref, lease id, container id
    std::uint32_t home = 0; // see Graph::home()
    NodeType type = NodeType::content;
    bool root = false;
    bool flat = false;    // a lease: what it holds is kept, and not what that refers to
    bool exists = true;   // false: labels or leases name it, and there is no such thing
    bool expired = false; // its own expiry has passed
};

// Where a node is at home. All references stay inside one namespace.
struct Home {
    std::string name_space;
    std::string snapshotter; // of a snapshot, else ""
    friend auto operator<=>(const Home&, const Home&) = default;
};

struct Edge {
    std::uint32_t to = 0;
    std::uint32_t via = 0; // see Graph::word()
};

// Edges that are no labels.
enum Via : std::uint32_t { via_target, via_parent, via_snapshot, via_expected, via_lease };

// A node on the way from a root, and the edge that leads to it; `via` means nothing for the root itself.
struct Step {
    std::uint32_t node = 0;
    std::uint32_t via = 0;
};

// Made in three steps: all nodes, the references between them, finish(). The questions come after it.
class Graph {
public:
    Graph();

    std::uint32_t home(std::string_view name_space, std::string_view snapshotter = {});
    std::uint32_t add(NodeType type, std::uint32_t home, std::string key);
    Node& operator[](std::uint32_t node) { return nodes_[node]; }
    const Node& operator[](std::uint32_t node) const { return nodes_[node]; }
    // A number for a label key, as an edge carries it.
    std::uint32_t via(std::string_view word);

    std::optional<std::uint32_t> find(NodeType type, std::uint32_t home, std::string_view key) const;
    // `from` keeps what is named. A name that nothing has by the time of finish() keeps nothing.
    void refer(std::uint32_t from, NodeType type, std::uint32_t home, std::string_view key, std::uint32_t via);
    // What is named keeps `to`, and there need be no such thing (yet): something may refer to it all the same.
    void refer_back(std::uint32_t to, NodeType type, std::uint32_t home, std::string_view key, std::uint32_t via);
    void finish();

    const std::vector<Node>& nodes() const noexcept { return nodes_; }
    const Home& home(const Node& node) const { return homes_[node.home]; }
    const std::string& word(std::uint32_t via) const { return words_[via]; }
    std::span<const Edge> references(std::uint32_t node) const;

    // For each node whether a root reaches it.
    std::vector<bool> reachable() const;
    // The shortest way from each root that reaches `node`, the shortest of all first: at most `limit`, and how many
    // roots there are.
    struct Ways {
        std::vector<std::vector<Step>> ways;
        std::size_t roots = 0;
    };
    Ways ways_to(std::uint32_t node, std::size_t limit) const;

private:
    struct Named {
        NodeType type;
        std::uint32_t home;
        std::string_view key;
    };
    // Nodes by name: open addressing, so that a name is stored once and looked at only when its hash is the wanted one.
    struct Slot {
        std::uint32_t hash = 0;
        std::uint32_t node = 0; // 0: free, else a node's number and one
    };
    struct Reference {
        std::uint32_t from;
        Edge edge;
    };
    struct Unresolved {
        std::uint32_t from;
        NodeType type;
        std::uint32_t home;
        std::string key;
        std::uint32_t via;
    };
    // A node may be kept for itself alone, by a flat lease, or with all that it refers to.
    struct State {
        std::uint32_t node;
        bool flat;
    };

    static std::uint32_t hash(const Named& name) noexcept;
    // Where the name is, or would be.
    std::size_t slot(const Named& name, std::uint32_t hash) const;
    void grow();

    bool follows(State from, Edge edge) const;
    State next(State from, Edge edge) const;

    std::vector<Node> nodes_;
    std::vector<Home> homes_;
    std::map<Home, std::uint32_t> home_numbers_;
    std::vector<std::string> words_;
    std::unordered_map<std::string, std::uint32_t> word_numbers_;
    std::vector<Slot> slots_; // a power of two, never full
    std::vector<Unresolved> unresolved_;
    std::vector<Reference> found_;
    std::vector<Edge> edges_;           // by the node they leave
    std::vector<std::uint32_t> starts_; // of each node's, and the end
};

} // namespace lade::meta
