// SPDX-License-Identifier: Apache-2.0
#include "store/why.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/references.hpp"
#include "store/leases.hpp"

namespace lade::store {

namespace {

using meta::Graph;
using meta::NodeType;

std::string key_of(const Graph& graph, std::uint32_t node) {
    const std::string& snapshotter = graph.home(graph[node]).snapshotter;
    return snapshotter.empty() ? graph[node].key : cat(snapshotter, '/', graph[node].key);
}

Why why(Store& store, NodeType type, const meta::Home& home, const std::string& key) {
    Graph graph;
    {
        const meta::ReadTransaction moment(store.database());
        const Time time = now();
        meta::read_references(store.database(), graph, time,
                              [&](const Lease& lease) { return lives(store, lease, time); });
    }
    const auto node = graph.find(type, graph.home(home.name_space, home.snapshotter), key);
    if (!node || !graph[*node].exists)
        throw Error(ErrorKind::not_found, to_string(type), ' ', printable(key), " not found");
    const Graph::Ways ways = graph.ways_to(*node, most_chains);
    Why why{.type = std::string(to_string(type)), .key = key_of(graph, *node), .chains = {}, .roots = ways.roots};
    for (const std::vector<meta::Step>& way : ways.ways) {
        std::vector<WhyStep>& chain = why.chains.emplace_back();
        for (const meta::Step& step : way)
            chain.push_back({.via = chain.empty() ? "" : graph.word(step.via),
                             .type = std::string(to_string(graph[step.node].type)),
                             .key = key_of(graph, step.node)});
    }
    return why;
}

} // namespace

Why why_content(Store& store, const std::string& name_space, const oci::Digest& digest) {
    return why(store, NodeType::content, {.name_space = name_space, .snapshotter = ""}, digest.string());
}

Why why_snapshot(Store& store, const std::string& name_space, std::string_view snapshotter, const std::string& key) {
    return why(store, NodeType::snapshot, {.name_space = name_space, .snapshotter = std::string(snapshotter)}, key);
}

} // namespace lade::store
