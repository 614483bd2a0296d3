// SPDX-License-Identifier: Apache-2.0
#include "archive/flatten.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "archive/entry_rules.hpp"
#include "archive/root.hpp"
#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/overlay_marks.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

using Id = FlatTree::Id;
using Node = FlatTree::Node;

// Of a directory that nobody described.
constexpr mode_t implied_mode = 0755;
// What chown takes from a file.
constexpr const char* capability = "security.capability";
// What a directory keeps that an entry takes over.
constexpr const char* kept_xattr = "security.selinux";

class Flattener {
public:
    Flattener(Source& tar, std::uint32_t layer, FlatTree& tree, Budget& budget, const std::stop_token& stop)
        : tar_(tar), layer_(layer), tree_(tree), budget_(budget), stop_(stop), pass_(tree.begin_pass()) {}

    Warnings run() {
        while (const auto entry = tar_.next()) {
            check_stop(stop_);
            budget_.take_entry();
            if (number_ == UINT32_MAX)
                throw Error(ErrorKind::resource_exhausted, "the layer has more than ", number_, " entries");
            doing([&] { return cat("entry ", printable(entry->name)); }, [&] { apply(*entry); });
            if (tree_.memory() > budget_.limits().memory)
                throw Error(ErrorKind::resource_exhausted, "more names than memory may be used for");
            ++number_;
        }
        return std::move(warnings_);
    }

private:
    using Way = std::vector<FlatTree::Step>;

    void apply(const Entry& entry) {
        check_entry(entry, budget_);
        std::vector<std::string> parts = clean_components(entry.name);
        check_depth(parts.size(), budget_.limits());
        if (parts.empty()) {
            if (entry.type == EntryType::directory)
                describe_directory(FlatTree::root, entry);
            return;
        }
        const std::string name = std::move(parts.back());
        parts.pop_back();
        const auto way = make_way(join(parts, "/"));
        if (name.starts_with(whiteout_prefix)) {
            // A directory that the layer made a file of has nothing left to hide.
            if (way)
                apply_whiteout(end_of(*way), parse_whiteout(name));
            return;
        }
        check_component(name);
        if (!way)
            throw Error(ErrorKind::failed_precondition, "a part of its path is not a directory");
        check_place(*way, name);
        if (is_false_whiteout(entry)) {
            warnings_.warn(cat("character device 0:0 ", printable(entry.name), " is left out"));
            return;
        }
        make(end_of(*way), name, entry);
        mark(*way, name);
    }

    static Id end_of(const Way& way) { return way.empty() ? FlatTree::root : way.back().node; }

    // Links may have led to a place that the name does not tell of.
    void check_place(const Way& way, const std::string& name) const {
        check_depth(way.size() + 1, budget_.limits());
        std::size_t size = name.size() + 1;
        for (const FlatTree::Step& step : way)
            size += step.name.size() + 1;
        check_path(way.empty() ? size : size - 1, budget_.limits());
    }

    std::optional<Way> make_way(const std::string& path) {
        auto way = tree_.way(path, budget_.limits().depth);
        if (!way)
            return std::nullopt;
        Way so_far;
        so_far.reserve(way->size());
        for (FlatTree::Step& step : *way) {
            if (step.node == FlatTree::none) {
                step.directory = end_of(so_far);
                step.node = tree_.add(step.directory, step.name, new_node(EntryType::directory));
                mark(so_far, step.name);
            }
            so_far.push_back(std::move(step));
        }
        return so_far;
    }

    Node new_node(EntryType type) const {
        return {.type = type, .mode = implied_mode, .layer = layer_, .entry = number_};
    }

    // With all directories above it: something of this layer lies in them.
    void mark(const Way& way, const std::string& name) {
        const auto set = [&](Id directory, const std::string& one) {
            FlatTree::Names& names = tree_.change_names(directory);
            const auto found = names.find(one);
            return found != names.end() && std::exchange(found->second.marked, pass_) != pass_;
        };
        if (!set(end_of(way), name))
            return;
        for (std::size_t i = way.size(); i-- > 0;)
            if (!set(way[i].directory, way[i].name))
                return;
    }

    void apply_whiteout(Id directory, const Whiteout& whiteout) {
        if (whiteout.kind == Whiteout::Kind::opaque)
            remove_unmarked(directory);
        if (whiteout.kind != Whiteout::Kind::one)
            return;
        FlatTree::Names& names = tree_.change_names(directory);
        const auto found = names.find(whiteout.name);
        if (found == names.end())
            return;
        const FlatTree::Name hidden = found->second;
        if (hidden.marked != pass_) {
            tree_.remove(directory, found);
        } else if (tree_.node(hidden.node).type == EntryType::directory) {
            remove_unmarked(hidden.node);
            reset_implied(hidden.node);
        }
    }

    // What this layer has not is what lower ones have.
    void remove_unmarked(Id top) {
        std::vector<Id> pending{top};
        while (!pending.empty()) {
            const Id directory = pending.back();
            pending.pop_back();
            FlatTree::Names& names = tree_.change_names(directory);
            for (auto at = names.begin(); at != names.end();) {
                const auto one = at++;
                if (one->second.marked != pass_) {
                    tree_.remove(directory, one);
                } else if (tree_.node(one->second.node).type == EntryType::directory) {
                    reset_implied(one->second.node);
                    pending.push_back(one->second.node);
                }
            }
        }
    }

    // As LayerTree::reset_implied().
    void reset_implied(Id directory) {
        Node& node = tree_.change(directory);
        if (std::exchange(node.described, pass_) == pass_)
            return;
        node.mtime = {};
        node.mode = implied_mode;
        node.uid = 0;
        node.gid = 0;
        clear_xattrs(directory);
    }

    void clear_xattrs(Id id) {
        Xattrs left;
        if (const auto kept = tree_.xattrs(id).find(kept_xattr); kept != tree_.xattrs(id).end())
            left.insert(*kept);
        tree_.set_xattrs(id, std::move(left));
    }

    void make(Id directory, const std::string& name, const Entry& entry) {
        if (entry.type == EntryType::hard_link)
            return make_link(directory, name, entry);
        FlatTree::Names& names = tree_.change_names(directory);
        const auto old = names.find(name);
        if (entry.type == EntryType::directory && old != names.end() &&
            tree_.node(old->second.node).type == EntryType::directory)
            return describe_directory(old->second.node, entry);
        if (old != names.end())
            tree_.remove(directory, old);
        Node node = new_node(entry.type);
        node.major = entry.major;
        node.minor = entry.minor;
        node.size = entry.size;
        const Id id = tree_.add(directory, name, node);
        if (entry.type == EntryType::symlink)
            tree_.set_link(id, entry.link);
        if (entry.type == EntryType::directory)
            describe_directory(id, entry);
        else
            describe(id, entry);
    }

    void make_link(Id directory, const std::string& name, const Entry& entry) {
        const LinkTarget link = parse_link(entry);
        const auto way = tree_.way(link.directory, budget_.limits().depth);
        const bool is_there = way && end_of(*way) != FlatTree::none;
        const Id there = is_there ? end_of(*way) : FlatTree::root;
        const auto target = tree_.change_names(there).find(link.name);
        if (!is_there || target == tree_.change_names(there).end())
            throw Error(ErrorKind::invalid_argument, "hard link to ", printable(entry.link), ", which does not exist");
        const Id id = target->second.node;
        if (tree_.node(id).type == EntryType::directory)
            throw Error(ErrorKind::invalid_argument, "hard link to ", printable(entry.link), ", which is a directory");
        if (there == directory && link.name == name)
            return;
        FlatTree::Names& names = tree_.change_names(directory);
        if (const auto old = names.find(name); old != names.end()) {
            // What is in the way may hold the target.
            if (std::ranges::find(*way, old->second.node, &FlatTree::Step::node) != way->end())
                throw Error(ErrorKind::not_found, "hard link to ", printable(entry.link), ", which it replaces");
            tree_.remove(directory, old);
        }
        tree_.add_name(directory, name, id);
        Xattrs xattrs = tree_.xattrs(id);
        xattrs.erase(capability);
        tree_.set_xattrs(id, std::move(xattrs));
        describe(id, entry);
    }

    void describe_directory(Id id, const Entry& entry) {
        clear_xattrs(id);
        describe(id, entry);
        tree_.change(id).described = pass_;
    }

    void describe(Id id, const Entry& entry) {
        Node& node = tree_.change(id);
        node.uid = entry.uid;
        node.gid = entry.gid;
        // Links have no mode of their own.
        node.mode = node.type == EntryType::symlink ? 0777 : entry.mode;
        node.mtime = entry.mtime;
        if (entry.xattrs.empty())
            return;
        const bool has_user_xattrs = node.type == EntryType::file || node.type == EntryType::directory;
        Xattrs xattrs = tree_.xattrs(id);
        for (const auto& [name, value] : entry.xattrs)
            if (!is_overlay_mark(name) && (has_user_xattrs || !name.starts_with("user.")))
                xattrs.insert_or_assign(name, value);
        tree_.set_xattrs(id, std::move(xattrs));
    }

    TarReader tar_;
    std::uint32_t layer_;
    FlatTree& tree_;
    Budget& budget_;
    const std::stop_token& stop_;
    std::uint32_t pass_;
    std::uint32_t number_ = 0; // of the entry
    Warnings warnings_;
};

} // namespace

Warnings flatten(Source& tar, std::uint32_t layer, FlatTree& tree, Budget& budget, const std::stop_token& stop) {
    return Flattener(tar, layer, tree, budget, stop).run();
}

} // namespace lade::archive
