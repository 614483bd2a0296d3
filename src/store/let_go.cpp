// SPDX-License-Identifier: Apache-2.0
#include "store/let_go.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/content.hpp"
#include "meta/graph.hpp"
#include "meta/references.hpp"

namespace lade::store {

namespace {

using meta::Graph;
using meta::NodeType;

// The graph with no other roots than those who are not to lose anything.
void read_others(Store& store, Graph& graph, const std::string& name_space, const std::set<std::string>& images,
                 const LeaseHold& lease) {
    const Time time = now();
    meta::read_references(store.database(), graph, time, [&](const Lease& one) { return lives(store, one, time); });
    for (std::uint32_t number = 0; number < graph.nodes().size(); ++number) {
        meta::Node& node = graph[number];
        const bool is_other = (node.type == NodeType::image && node.exists && !images.contains(node.key)) ||
                              (node.type == NodeType::lease && node.root && !lease.covers(node.key));
        node.root = is_other && graph.home(node).name_space == name_space;
    }
}

} // namespace

std::set<std::string> let_go(Store& store, const std::string& name_space,
                             const std::map<oci::Digest, oci::Labels>& changes, const std::set<std::string>& images,
                             const LeaseHold& lease) {
    std::set<std::string> keepers;
    meta::Transaction transaction(store.database());
    Graph graph;
    read_others(store, graph, name_space, images, lease);
    meta::Content content(store.database(), name_space);
    for (const auto& [digest, labels] : changes) {
        const auto node = graph.find(NodeType::content, graph.home(name_space), digest.string());
        const Graph::Ways others = node ? graph.ways_to(*node, 1) : Graph::Ways{};
        if (others.ways.empty()) {
            content.label(digest, labels);
            continue;
        }
        const meta::Node& keeper = graph[others.ways.front().front().node];
        keepers.insert(cat(to_string(keeper.type), ' ', printable(keeper.key)));
    }
    transaction.commit();
    return keepers;
}

} // namespace lade::store
