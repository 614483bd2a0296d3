// SPDX-License-Identifier: Apache-2.0
#include "archive/flat_tree.hpp"

#include <algorithm>
#include <climits>

#include "archive/root.hpp"
#include "base/error.hpp"

namespace lade::archive {

namespace {

constexpr int max_links = 255;

// What a container adds to each value that it holds, about.
constexpr std::size_t node_size = 6 * sizeof(void*);

std::size_t size_of(const std::string& text) {
    return sizeof(std::string) + text.capacity();
}

std::size_t size_of(const Xattrs& xattrs) {
    std::size_t size = sizeof(Xattrs) + node_size;
    for (const auto& [name, value] : xattrs)
        size += size_of(name) + size_of(value) + node_size;
    return size;
}

std::size_t size_of_name(const std::string& name) {
    return size_of(name) + sizeof(FlatTree::Name) + node_size;
}

} // namespace

FlatTree::FlatTree() : nodes_{Node{.names = 1}} {
    names_.try_emplace(root);
}

const std::string& FlatTree::link(Id id) const {
    static const std::string no_link;
    const auto found = links_.find(id);
    return found == links_.end() ? no_link : found->second;
}

const Xattrs& FlatTree::xattrs(Id id) const {
    static const Xattrs no_xattrs;
    const auto found = xattrs_.find(id);
    return found == xattrs_.end() ? no_xattrs : found->second;
}

const FlatTree::Names& FlatTree::names(Id directory) const {
    return names_.at(directory);
}

std::optional<std::vector<FlatTree::Step>> FlatTree::walk(std::string_view path, End end, std::size_t depth) const {
    std::vector<Step> steps;
    std::vector<std::string_view> rest; // the next one last
    const auto push = [&](std::string_view text) {
        for (std::size_t stop = text.size();;) {
            const std::size_t slash = stop == 0 ? std::string_view::npos : text.rfind('/', stop - 1);
            const std::size_t start = slash == std::string_view::npos ? 0 : slash + 1;
            rest.push_back(text.substr(start, stop - start));
            if (slash == std::string_view::npos)
                return;
            stop = slash;
        }
    };
    push(path);
    int links = 0;
    while (!rest.empty()) {
        const std::string_view name = rest.back();
        rest.pop_back();
        if (name.empty() || name == ".")
            continue;
        if (name == "..") {
            if (!steps.empty())
                steps.pop_back();
            continue;
        }
        check_component(name);
        Step step{.directory = steps.empty() ? root : steps.back().node, .name = std::string(name), .node = none};
        if (step.directory != none) {
            const Names& there = names_.at(step.directory);
            if (const auto found = there.find(name); found != there.end())
                step.node = found->second.node;
        }
        const EntryType type = step.node == none ? EntryType::directory : nodes_[step.node].type;
        if (type == EntryType::symlink && !(end == End::itself && rest.empty())) {
            if (++links > max_links)
                throw Error(ErrorKind::invalid_argument, "too many links");
            const std::string& target = links_.at(step.node);
            if (target.starts_with('/'))
                steps.clear();
            push(target);
            continue;
        }
        if (type != EntryType::directory && (end == End::directory || !rest.empty()))
            return std::nullopt;
        if (steps.size() == depth)
            throw Error(ErrorKind::resource_exhausted, "deeper than ", depth, " directories");
        steps.push_back(std::move(step));
    }
    return steps;
}

std::optional<std::vector<FlatTree::Step>> FlatTree::way(std::string_view path, std::size_t depth) const {
    return walk(path, End::directory, depth);
}

std::optional<FlatTree::Id> FlatTree::find(std::string_view path, Last last) const {
    const auto steps = walk(path, last == Last::followed ? End::followed : End::itself, PATH_MAX);
    if (!steps)
        return std::nullopt;
    if (steps->empty())
        return root;
    if (steps->back().node == none)
        return std::nullopt;
    return steps->back().node;
}

void FlatTree::set_link(Id id, const std::string& link) {
    const auto [at, is_new] = links_.insert_or_assign(id, link);
    memory_ += is_new ? size_of(at->second) + node_size : 0;
}

void FlatTree::set_xattrs(Id id, Xattrs xattrs) {
    if (const auto found = xattrs_.find(id); found != xattrs_.end()) {
        memory_ -= size_of(found->second);
        xattrs_.erase(found);
    }
    if (xattrs.empty())
        return;
    memory_ += size_of(xattrs);
    xattrs_.emplace(id, std::move(xattrs));
}

FlatTree::Id FlatTree::add(Id directory, const std::string& name, const Node& node) {
    Id id = 0;
    if (free_.empty()) {
        id = static_cast<Id>(nodes_.size());
        nodes_.push_back(node);
    } else {
        id = free_.back();
        free_.pop_back();
        nodes_[id] = node;
    }
    nodes_[id].names = 0;
    memory_ += sizeof node;
    if (node.type == EntryType::directory) {
        names_.try_emplace(id);
        memory_ += sizeof(Names) + node_size;
    }
    add_name(directory, name, id);
    return id;
}

void FlatTree::add_name(Id directory, const std::string& name, Id node) {
    const auto [at, is_new] = names_.at(directory).try_emplace(name, Name{.node = node});
    if (!is_new)
        throw Error(ErrorKind::internal, "two files of one name");
    ++nodes_[node].names;
    memory_ += size_of_name(at->first);
}

void FlatTree::remove(Id directory, Names::iterator name) {
    const Id node = name->second.node;
    memory_ -= size_of_name(name->first);
    names_.at(directory).erase(name);
    release(node);
}

// Directories can lie deep in each other: no recursion.
void FlatTree::release(Id id) {
    std::vector<Id> pending{id};
    while (!pending.empty()) {
        const Id one = pending.back();
        pending.pop_back();
        if (--nodes_[one].names > 0)
            continue;
        if (const auto below = names_.find(one); below != names_.end()) {
            for (const auto& [name, child] : below->second) {
                memory_ -= size_of_name(name);
                pending.push_back(child.node);
            }
            names_.erase(below);
            memory_ -= sizeof(Names) + node_size;
        }
        if (const auto link = links_.find(one); link != links_.end()) {
            memory_ -= size_of(link->second) + node_size;
            links_.erase(link);
        }
        set_xattrs(one, {});
        memory_ -= sizeof(Node);
        free_.push_back(one);
    }
}

FlatWalk::FlatWalk(const FlatTree& tree, FlatTree::Id first, std::string path)
    : tree_(tree), path_(std::move(path)), id_(first) {}

bool FlatWalk::next() {
    if (!begun_) {
        begun_ = true;
        return true;
    }
    if (node().type == EntryType::directory) {
        const FlatTree::Names& below = tree_.names(id_);
        levels_.push_back({.names = &below, .at = below.begin(), .path = path_.size()});
    }
    while (!levels_.empty() && levels_.back().at == levels_.back().names->end())
        levels_.pop_back();
    if (levels_.empty())
        return false;
    Level& level = levels_.back();
    path_.resize(level.path);
    if (!path_.empty() && !path_.ends_with('/'))
        path_ += '/';
    path_ += level.at->first;
    id_ = level.at->second.node;
    depth_ = levels_.size();
    ++level.at;
    return true;
}

bool comes_before(std::string_view path, std::string_view other) noexcept {
    const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c) + 1; };
    return std::ranges::lexicographical_compare(path, other, {}, rank, rank);
}

} // namespace lade::archive
