// SPDX-License-Identifier: Apache-2.0
#include "meta/graph.hpp"

#include <functional>
#include <utility>

namespace lade::meta {

namespace {

constexpr std::uint32_t none = UINT32_MAX;

// Two visits at most: flat, and in full, which includes the other.
constexpr unsigned char seen_flat = 1;
constexpr unsigned char seen_full = 2;

} // namespace

std::string_view to_string(NodeType type) noexcept {
    switch (type) {
    case NodeType::content:
        return "content";
    case NodeType::snapshot:
        return "snapshot";
    case NodeType::image:
        return "image";
    case NodeType::ingest:
        return "ingest";
    case NodeType::lease:
        return "lease";
    case NodeType::container:
        return "container";
    }
    return "";
}

Graph::Graph() : words_{"target", "parent", "snapshot", "expected", "holds"}, slots_(1024) {}

std::uint32_t Graph::hash(const Named& name) noexcept {
    const std::size_t full = std::hash<std::string_view>()(name.key) +
                             (std::size_t{name.home} << 3U | static_cast<std::size_t>(name.type)) * 0x9e3779b97f4a7c15U;
    return static_cast<std::uint32_t>(full ^ full >> 32U);
}

std::size_t Graph::slot(const Named& name, std::uint32_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
        const Slot& one = slots_[at];
        if (one.node == 0)
            return at;
        if (one.hash != hash)
            continue;
        const Node& node = nodes_[one.node - 1];
        if (node.type == name.type && node.home == name.home && node.key == name.key)
            return at;
    }
}

void Graph::grow() {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& one : old) {
        std::size_t at = one.hash & mask;
        while (one.node != 0 && slots_[at].node != 0)
            at = (at + 1) & mask;
        if (one.node != 0)
            slots_[at] = one;
    }
}

std::uint32_t Graph::home(std::string_view name_space, std::string_view snapshotter) {
    // Rows come in runs of one home.
    if (!homes_.empty() && homes_.back().name_space == name_space && homes_.back().snapshotter == snapshotter)
        return static_cast<std::uint32_t>(homes_.size() - 1);
    Home wanted{.name_space = std::string(name_space), .snapshotter = std::string(snapshotter)};
    const auto [found, is_new] = home_numbers_.emplace(wanted, static_cast<std::uint32_t>(homes_.size()));
    if (is_new)
        homes_.push_back(std::move(wanted));
    return found->second;
}

std::uint32_t Graph::add(NodeType type, std::uint32_t home, std::string key) {
    if (nodes_.size() * 2 >= slots_.size())
        grow();
    const Named name{.type = type, .home = home, .key = key};
    const std::uint32_t hashed = hash(name);
    const std::size_t at = slot(name, hashed);
    nodes_.push_back({.key = std::move(key), .home = home, .type = type});
    slots_[at] = {.hash = hashed, .node = static_cast<std::uint32_t>(nodes_.size())};
    return static_cast<std::uint32_t>(nodes_.size() - 1);
}

std::uint32_t Graph::via(std::string_view word) {
    const auto [found, is_new] = word_numbers_.emplace(std::string(word), static_cast<std::uint32_t>(words_.size()));
    if (is_new)
        words_.emplace_back(word);
    return found->second;
}

std::optional<std::uint32_t> Graph::find(NodeType type, std::uint32_t home, std::string_view key) const {
    const Named name{.type = type, .home = home, .key = key};
    const std::uint32_t node = slots_[slot(name, hash(name))].node;
    return node == 0 ? std::nullopt : std::optional(node - 1);
}

void Graph::refer(std::uint32_t from, NodeType type, std::uint32_t home, std::string_view key, std::uint32_t via) {
    if (const auto found = find(type, home, key))
        found_.push_back({.from = from, .edge = {.to = *found, .via = via}});
    else
        unresolved_.push_back({.from = from, .type = type, .home = home, .key = std::string(key), .via = via});
}

void Graph::refer_back(std::uint32_t to, NodeType type, std::uint32_t home, std::string_view key, std::uint32_t via) {
    auto from = find(type, home, key);
    if (!from) {
        from = add(type, home, std::string(key));
        nodes_[*from].exists = false;
    }
    found_.push_back({.from = *from, .edge = {.to = to, .via = via}});
}

void Graph::finish() {
    for (const Unresolved& one : unresolved_)
        if (const auto found = find(one.type, one.home, one.key))
            found_.push_back({.from = one.from, .edge = {.to = *found, .via = one.via}});
    unresolved_ = {};
    starts_.assign(nodes_.size() + 1, 0);
    for (const Reference& one : found_)
        ++starts_[one.from + 1];
    for (std::size_t i = 1; i < starts_.size(); ++i)
        starts_[i] += starts_[i - 1];
    std::vector<std::uint32_t> at(starts_.begin(), starts_.end() - 1);
    edges_.resize(found_.size());
    for (const Reference& one : found_)
        edges_[at[one.from]++] = one.edge;
    found_ = {};
}

std::span<const Edge> Graph::references(std::uint32_t node) const {
    return std::span(edges_).subspan(starts_[node], starts_[node + 1] - starts_[node]);
}

// Of a flat node only the parents of a snapshot and the target of an image are kept with it.
bool Graph::follows(State from, Edge edge) const {
    return !from.flat || edge.via == via_parent || edge.via == via_target;
}

Graph::State Graph::next(State from, Edge edge) const {
    // An ingest is never flat.
    const bool flat = from.flat || (nodes_[from.node].flat && nodes_[edge.to].type != NodeType::ingest);
    return {.node = edge.to, .flat = flat};
}

std::vector<bool> Graph::reachable() const {
    std::vector<unsigned char> seen(nodes_.size(), 0);
    std::vector<State> pending;
    const auto visit = [&](State state) {
        unsigned char& visits = seen[state.node];
        if (visits >= (state.flat ? seen_flat : seen_full))
            return;
        visits = state.flat ? seen_flat : seen_full;
        pending.push_back(state);
    };
    for (std::uint32_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i].root)
            visit({.node = i, .flat = false});
    while (!pending.empty()) {
        const State from = pending.back();
        pending.pop_back();
        for (const Edge& edge : references(from.node))
            if (follows(from, edge))
                visit(next(from, edge));
    }
    std::vector<bool> kept(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        kept[i] = seen[i] != 0;
    return kept;
}

Graph::Ways Graph::ways_to(std::uint32_t node, std::size_t limit) const {
    // Backwards from the node, breadth first: where a root is met, its shortest way is known.
    std::vector<std::uint32_t> starts(nodes_.size(), 0); // until the loop below: the ends
    for (const Edge& edge : edges_)
        ++starts[edge.to];
    for (std::size_t i = 1; i < starts.size(); ++i)
        starts[i] += starts[i - 1];
    std::vector<Reference> backwards(edges_.size());
    for (auto from = static_cast<std::uint32_t>(nodes_.size()); from-- > 0;)
        for (std::size_t i = starts_[from + 1]; i-- > starts_[from];)
            backwards[--starts[edges_[i].to]] = {.from = from, .edge = edges_[i]};

    const auto number = [](State state) { return std::size_t{state.node} * 2 + (state.flat ? 1 : 0); };
    struct Seen {
        std::uint32_t next = none; // number of the state that the way goes on to
        std::uint32_t via = 0;
        bool seen = false;
    };
    std::vector<Seen> seen(nodes_.size() * 2);
    std::vector<State> queue{{.node = node, .flat = false}, {.node = node, .flat = true}};
    for (const State& state : queue)
        seen[number(state)].seen = true;
    Ways found;
    for (std::size_t head = 0; head < queue.size(); ++head) {
        const State state = queue[head];
        if (nodes_[state.node].root && !state.flat) {
            ++found.roots;
            if (found.ways.size() < limit) {
                std::vector<Step>& way = found.ways.emplace_back();
                way.push_back({.node = state.node, .via = 0});
                for (std::size_t at = number(state); seen[at].next != none; at = seen[at].next)
                    way.push_back({.node = seen[at].next / 2, .via = seen[at].via});
            }
        }
        for (std::size_t i = starts[state.node]; i < backwards.size() && backwards[i].edge.to == state.node; ++i)
            for (const bool flat : {false, true}) {
                const State from{.node = backwards[i].from, .flat = flat};
                if (seen[number(from)].seen || !follows(from, backwards[i].edge) ||
                    next(from, backwards[i].edge).flat != state.flat)
                    continue;
                seen[number(from)] = {
                    .next = static_cast<std::uint32_t>(number(state)), .via = backwards[i].edge.via, .seen = true};
                queue.push_back(from);
            }
    }
    return found;
}

} // namespace lade::meta
