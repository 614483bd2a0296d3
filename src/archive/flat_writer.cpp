// SPDX-License-Identifier: Apache-2.0
#include "archive/flat_writer.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "archive/tar_writer.hpp"
#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

using Id = FlatTree::Id;

class DataSink final : public Sink {
public:
    explicit DataSink(TarWriter& tar) : tar_(tar) {}
    void write(std::span<const std::byte> bytes) override { tar_.write(bytes); }

private:
    TarWriter& tar_;
};

class FlatWriter {
public:
    FlatWriter(const FlatTree& tree, const ReadLayer& read, Sink& tar, const std::stop_token& stop)
        : tree_(tree), read_(read), tar_(tar), data_(tar_), stop_(stop) {
        list();
    }

    Warnings write() {
        tell(FlatTree::root);
        for (auto from = items_.begin(); from != items_.end();) {
            const std::uint32_t layer = layer_of(*from);
            const auto to = std::find_if(from, items_.end(), [&](const Item& item) { return layer_of(item) != layer; });
            write_layer(layer, {from, to});
            from = to;
        }
        // Nothing began with its name, so it seemed to be complete at once.
        if (!items_.empty())
            tell(FlatTree::root);
        tar_.finish();
        return std::move(warnings_);
    }

private:
    // A name in the tree. The text is the tree's.
    struct Item {
        Id node;
        Id directory;
        std::string_view name;
    };
    struct Place {
        Id directory = FlatTree::none;
        std::string_view name;
        bool told = false;
        bool complete = false; // as far as can be seen: something came that is not in it
    };

    std::uint32_t layer_of(const Item& item) const { return tree_.node(item.node).layer; }
    bool has_data(const Item& item) const { return tree_.node(item.node).size > 0; }

    // All names in the order they are written; what one entry made stays in the order of its paths.
    void list() {
        std::vector<Id> pending{FlatTree::root};
        places_.try_emplace(FlatTree::root);
        while (!pending.empty()) {
            const Id directory = pending.back();
            pending.pop_back();
            std::vector<Id> below;
            for (const auto& [name, child] : tree_.names(directory)) {
                items_.push_back({.node = child.node, .directory = directory, .name = name});
                if (tree_.node(child.node).type != EntryType::directory)
                    continue;
                places_.try_emplace(child.node, Place{.directory = directory, .name = name});
                below.push_back(child.node);
            }
            pending.insert(pending.end(), below.rbegin(), below.rend());
        }
        std::ranges::stable_sort(items_, {}, [&](const Item& item) {
            const FlatTree::Node& node = tree_.node(item.node);
            return std::pair(node.layer, node.entry);
        });
    }

    void write_layer(std::uint32_t layer, std::span<const Item> items) {
        if (std::ranges::none_of(items, [&](const Item& item) { return has_data(item); })) {
            for (const Item& item : items)
                write_item(item, nullptr);
            return;
        }
        read_(layer, [&](Source& source) {
            EntryData data(source);
            for (const Item& item : items)
                write_item(item, &data);
            data.finish(stop_);
        });
    }

    void write_item(const Item& item, EntryData* data) {
        check_stop(stop_);
        const FlatTree::Node& node = tree_.node(item.node);
        if (node.type == EntryType::directory) {
            open(item.node);
            return;
        }
        open(item.directory);
        change(item.directory);
        Entry entry = describe(item.node, path_of(item.directory, item.name));
        if (item.node == first_node_ && node.names > 1) {
            entry.type = EntryType::hard_link;
            entry.link = first_path_;
            entry.size = 0;
            tar_.begin(entry);
            return;
        }
        first_node_ = item.node;
        first_path_ = entry.name;
        tar_.begin(entry);
        if (entry.size > 0)
            data->copy(node.entry, entry.size, data_, stop_);
    }

    // Says that something comes that is in the directory, or is the directory itself: those above it that were not told
    // of are, and whatever is not above it may seem to be complete.
    void open(Id directory) {
        std::vector<Id> way;
        for (Id at = directory; at != FlatTree::root; at = places_.at(at).directory)
            way.push_back(at);
        std::ranges::reverse(way);
        const auto same = static_cast<std::size_t>(std::ranges::mismatch(way, open_).in1 - way.begin());
        for (; open_.size() > same; open_.pop_back())
            places_.at(open_.back()).complete = true;
        for (std::size_t i = same; i < way.size(); ++i) {
            Place& place = places_.at(way[i]);
            if (!std::exchange(place.told, true)) {
                change(place.directory);
                tell(way[i]);
            }
            open_.push_back(way[i]);
        }
    }

    // Something new comes that is in it.
    void change(Id directory) {
        if (directory != FlatTree::root && std::exchange(places_.at(directory).complete, false))
            tell(directory);
    }

    void tell(Id directory) { tar_.begin(describe(directory, path_of(directory))); }

    std::string path_of(Id directory) const {
        std::vector<std::string> parts;
        for (Id at = directory; at != FlatTree::root; at = places_.at(at).directory)
            parts.emplace_back(places_.at(at).name);
        std::ranges::reverse(parts);
        return parts.empty() ? "./" : join(parts, "/");
    }
    std::string path_of(Id directory, std::string_view name) const {
        return directory == FlatTree::root ? std::string(name) : cat(path_of(directory), '/', name);
    }

    Entry describe(Id id, std::string path) {
        const FlatTree::Node& node = tree_.node(id);
        Entry entry{.type = node.type,
                    .name = std::move(path),
                    .link = tree_.link(id),
                    .mode = node.mode,
                    .uid = node.uid,
                    .gid = node.gid,
                    .major = node.major,
                    .minor = node.minor,
                    .size = node.size,
                    .mtime = node.mtime};
        for (const auto& [name, value] : tree_.xattrs(id))
            if (TarWriter::has_room(name))
                entry.xattrs.emplace(name, value);
            else
                warnings_.warn(cat(printable(entry.name), ": xattr ", printable(name), " is left out"));
        return entry;
    }

    const FlatTree& tree_;
    const ReadLayer& read_;
    TarWriter tar_;
    DataSink data_;
    const std::stop_token& stop_;
    std::vector<Item> items_;
    std::unordered_map<Id, Place> places_; // of directories
    std::vector<Id> open_;                 // those above what came last, and itself
    Id first_node_ = FlatTree::none;       // that was written last, and under which name
    std::string first_path_;
    Warnings warnings_;
};

} // namespace

Warnings write_flat(const FlatTree& tree, const ReadLayer& read, Sink& tar, const std::stop_token& stop) {
    return FlatWriter(tree, read, tar, stop).write();
}

} // namespace lade::archive
