// SPDX-License-Identifier: Apache-2.0
#include "store/image_usage.hpp"

#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/tasks.hpp"
#include "meta/graph.hpp"
#include "meta/inventory.hpp"
#include "meta/references.hpp"
#include "store/leases.hpp"
#include "store/snapshots.hpp"

namespace lade::store {

namespace {

using meta::Graph;
using meta::NodeType;

// Who reaches a node.
struct Reached {
    std::uint32_t images = 0; // how many
    std::uint32_t target = 0; // that of the first of them, by its node
    bool several = false;     // their targets are not the same
    bool held = false;        // by something else, too
    bool measured = false;
    std::optional<std::uint64_t> size;
};

class Measure {
public:
    Measure(Store& store, const std::string& name_space, const std::stop_token& stop)
        : store_(store), name_space_(name_space), stop_(stop) {
        const meta::ReadTransaction moment(store_.database());
        const Time time = now();
        meta::read_references(store_.database(), graph_, time,
                              [&](const Lease& lease) { return lives(store_, lease, time); });
        reached_.resize(graph_.nodes().size());
        seen_.resize(graph_.nodes().size());
        read_sizes();
    }

    std::map<std::string, ImageUsage> run() {
        for (std::uint32_t node = 0; node < reached_.size(); ++node)
            if (is_ours(node))
                images_.push_back(node);
        for (const std::uint32_t image : images_)
            for_each_below(image, [&](std::uint32_t node) { count(image, node); });
        mark_held();
        std::map<std::string, ImageUsage> usage;
        for (const std::uint32_t image : images_)
            usage.emplace(graph_[image].key, usage_of(image));
        return usage;
    }

private:
    bool is_ours(std::uint32_t node) const {
        return graph_[node].type == NodeType::image && graph_[node].exists &&
               graph_.home(graph_[node]).name_space == name_space_;
    }

    void read_sizes() {
        const std::uint32_t home = graph_.home(name_space_);
        meta::for_each_size(store_.database(), name_space_, [&](const meta::BlobSize& blob) {
            if (const auto node = graph_.find(NodeType::content, home, blob.digest)) {
                reached_[*node].measured = true;
                reached_[*node].size = blob.size;
            }
        });
    }

    template <typename Visit>
    void for_each_below(std::uint32_t image, Visit visit) {
        check_stop(stop_);
        ++round_;
        std::vector<std::uint32_t> pending{image};
        while (!pending.empty()) {
            const std::uint32_t from = pending.back();
            pending.pop_back();
            for (const meta::Edge& edge : graph_.references(from))
                if (std::exchange(seen_[edge.to], round_) != round_) {
                    visit(edge.to);
                    pending.push_back(edge.to);
                }
        }
    }

    std::uint32_t target_of(std::uint32_t image) const {
        for (const meta::Edge& edge : graph_.references(image))
            if (edge.via == meta::via_target)
                return edge.to;
        return image;
    }

    void count(std::uint32_t image, std::uint32_t node) {
        Reached& reached = reached_[node];
        const std::uint32_t target = target_of(image);
        reached.several = reached.several || (reached.images > 0 && reached.target != target);
        reached.target = target;
        ++reached.images;
    }

    // Without our images, what is left has other keepers.
    void mark_held() {
        for (const std::uint32_t image : images_)
            graph_[image].root = false;
        const std::vector<bool> kept = graph_.reachable();
        for (std::uint32_t node = 0; node < reached_.size(); ++node)
            reached_[node].held = kept[node];
    }

    // Once for each snapshot, as it walks a directory.
    void measure(std::uint32_t node) {
        Reached& reached = reached_[node];
        if (std::exchange(reached.measured, true))
            return;
        const std::string& snapshotter = graph_.home(graph_[node]).snapshotter;
        try {
            auto found = snapshots_.find(snapshotter);
            if (found == snapshots_.end())
                found = snapshots_.try_emplace(snapshotter, store_, name_space_, snapshotter).first;
            reached.size = found->second.usage(graph_[node].key).size;
        } catch (const Error& error) {
            // Somebody else's directory, or one that has just been removed.
            if (error.kind() == ErrorKind::cancelled)
                throw;
        }
    }

    static void add(Holding& to, const Reached& reached) {
        to.size += *reached.size;
        if (reached.several)
            to.shared += *reached.size;
        if (reached.images == 1 && !reached.held)
            to.unique += *reached.size;
    }

    ImageUsage usage_of(std::uint32_t image) {
        ImageUsage usage{.content = {}, .unpacked = Holding{}};
        for_each_below(image, [&](std::uint32_t node) {
            if (!graph_[node].exists)
                return;
            if (graph_[node].type == NodeType::content && reached_[node].size)
                add(usage.content, reached_[node]);
            if (graph_[node].type != NodeType::snapshot)
                return;
            measure(node);
            if (!reached_[node].size)
                usage.unpacked = std::nullopt;
            else if (usage.unpacked)
                add(*usage.unpacked, reached_[node]);
        });
        return usage;
    }

    Store& store_;
    const std::string& name_space_;
    const std::stop_token& stop_;
    Graph graph_;
    std::vector<std::uint32_t> images_;
    std::vector<Reached> reached_; // by node
    std::vector<std::uint32_t> seen_;
    std::uint32_t round_ = 0;
    std::map<std::string, Snapshots> snapshots_;
};

} // namespace

std::map<std::string, ImageUsage> image_usage(Store& store, const std::string& name_space,
                                              const std::stop_token& stop) {
    return Measure(store, name_space, stop).run();
}

} // namespace lade::store
