// SPDX-License-Identifier: Apache-2.0
// A root file system as layers make it, without a directory to make it in: names, what is known of each file, and in
// which entry of which layer its data lies. A value: a copy goes its own way.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "archive/tar.hpp"
#include "archive/xattrs.hpp"

namespace lade::archive {

class FlatTree {
public:
    // Of a file, whatever its type; several names may lead to one that is no directory.
    using Id = std::uint32_t;
    static constexpr Id root = 0;
    static constexpr Id none = UINT32_MAX;

    struct Node {
        EntryType type = EntryType::directory; // never hard_link
        mode_t mode = 0755;
        uid_t uid = 0;
        gid_t gid = 0;
        std::uint32_t major = 0;
        std::uint32_t minor = 0;
        EntryTime mtime;
        std::uint64_t size = 0;      // of a file's data
        std::uint32_t layer = 0;     // which layer made it, by the number that flatten() was given,
        std::uint32_t entry = 0;     // and by which of its entries, counted from 0; a file's data lies there
        std::uint32_t names = 0;     // that lead to it
        std::uint32_t described = 0; // of a directory: the pass in which an entry was about it
    };
    struct Name {
        Id node = none;
        std::uint32_t marked = 0; // the pass in which a layer put it there, or something below it
    };
    using Names = std::map<std::string, Name, std::less<>>;

    // The root alone, as old as the epoch.
    FlatTree();

    const Node& node(Id id) const { return nodes_[id]; }
    // The text of a symbolic link, else "".
    const std::string& link(Id id) const;
    const Xattrs& xattrs(Id id) const;
    // What is in a directory, in byte order.
    const Names& names(Id directory) const;
    // Bytes of memory that all of it takes, about.
    std::size_t memory() const noexcept { return memory_; }

    // Where a path leads, "/" and links being the tree's own. nullopt: nowhere, or through what is no directory.
    // invalid_argument: too many links.
    enum class Last {
        followed, // a link that the path ends in
        itself,
    };
    std::optional<Id> find(std::string_view path, Last last) const;

    // A name on a way, and the directory that has it. `node` is none where there is no such name: the rest of the way
    // is to be made.
    struct Step {
        Id directory = none;
        std::string name;
        Id node = none;
    };
    // The way to the directory that `path` leads to, links followed (archive/root.hpp has the rules). nullopt:
    // something on it is no directory. invalid_argument: too many links, a name that is too long; resource_exhausted:
    // more than `depth` steps.
    std::optional<std::vector<Step>> way(std::string_view path, std::size_t depth) const;

    // For the one who applies a layer. A new layer's names and directories are told from others by the number of the
    // pass.
    std::uint32_t begin_pass() { return ++pass_; }
    Node& change(Id id) { return nodes_[id]; }
    Names& change_names(Id directory) { return names_.at(directory); }
    void set_link(Id id, const std::string& link);
    void set_xattrs(Id id, Xattrs xattrs);
    // A name that is not there yet, for what is new or for one more name of what is there.
    Id add(Id directory, const std::string& name, const Node& node);
    void add_name(Id directory, const std::string& name, Id node);
    // With all that is below it.
    void remove(Id directory, Names::iterator name);

private:
    enum class End { directory, followed, itself };
    std::optional<std::vector<Step>> walk(std::string_view path, End end, std::size_t depth) const;
    void release(Id id);

    std::deque<Node> nodes_; // a vector that grows has all of them twice
    std::vector<Id> free_;
    std::unordered_map<Id, Names> names_; // of directories
    std::unordered_map<Id, std::string> links_;
    std::unordered_map<Id, Xattrs> xattrs_;
    std::size_t memory_ = 0;
    std::uint32_t pass_ = 0;
};

// Everything from one file of a tree down, which must not change meanwhile: byte order of the names in a directory, a
// directory before what is in it.
class FlatWalk {
public:
    // `path` is what the first one is called.
    FlatWalk(const FlatTree& tree, FlatTree::Id first, std::string path);

    // False at the end. The others tell of what it came to.
    bool next();
    const std::string& path() const noexcept { return path_; }
    FlatTree::Id id() const noexcept { return id_; }
    const FlatTree::Node& node() const { return tree_.node(id_); }
    // How far below the first one.
    std::size_t depth() const noexcept { return depth_; }

private:
    struct Level {
        const FlatTree::Names* names;
        FlatTree::Names::const_iterator at;
        std::size_t path; // the directory's bytes of path_
    };

    const FlatTree& tree_;
    std::vector<Level> levels_;
    std::string path_;
    FlatTree::Id id_;
    std::size_t depth_ = 0;
    bool begun_ = false;
};

// Whether one path comes before another in a walk.
bool comes_before(std::string_view path, std::string_view other) noexcept;

} // namespace lade::archive
