// SPDX-License-Identifier: Apache-2.0
#include "archive/estargz_order.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

// A hard link to a hard link to a file is as long as such chains get.
constexpr int most_scans = 4;

std::string parent_of(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? "" : name.substr(0, slash);
}

// What of the layer matters to the wish: the entries of some names.
class Plan {
public:
    Plan(const EstargzWork& work, const std::vector<std::string>& paths, const std::stop_token& stop)
        : work_(work), stop_(stop) {
        for (const std::string& path : paths)
            add(clean_name(path));
    }

    // The names in their order.
    std::vector<std::string> make() {
        // Targets of links are known only when the links were seen.
        for (int i = 0; i < most_scans && scan(); ++i) {
        }
        for (const std::string& name : wanted_)
            if (known_.at(name).count > 0)
                place(name);
        return std::move(order_);
    }

private:
    struct Seen {
        std::size_t count = 0;
        EntryType type = EntryType::file;
        std::string target;   // of a hard link, clean
        bool visited = false; // place() was there, or is
    };

    void add(const std::string& name) {
        if (name.empty() || known_.contains(name))
            return;
        wanted_.push_back(name);
        known_[name];
        for (std::string above = parent_of(name);; above = parent_of(above)) {
            known_[above];
            if (above.empty())
                break;
        }
    }

    // True when there is more to look for.
    bool scan() {
        for (auto& [name, seen] : known_)
            seen = {};
        const auto source = work_.open();
        TarReader tar(*source);
        while (const auto entry = tar.next()) {
            check_stop(stop_);
            const auto known = known_.find(clean_name(entry->name));
            if (known == known_.end())
                continue;
            ++known->second.count;
            known->second.type = entry->type;
            known->second.target = entry->type == EntryType::hard_link ? clean_name(entry->link) : "";
        }
        std::vector<std::string> targets;
        for (const auto& [name, seen] : known_)
            if (seen.type == EntryType::hard_link && !known_.contains(seen.target))
                targets.push_back(seen.target);
        for (const std::string& target : targets)
            add(target);
        return !targets.empty();
    }

    // True when what is called so need not be waited for: it stands in the order, or is not of this layer.
    bool place(const std::string& name) {
        if (placed_.contains(name))
            return true;
        const auto known = known_.find(name);
        if (known == known_.end())
            return false;
        Seen& seen = known->second;
        if (seen.count == 0)
            return name.empty() || place(parent_of(name));
        // One that is made again later in the layer is what it is only where it stands.
        if (seen.count > 1 || seen.visited)
            return false;
        seen.visited = true;
        if (!(name.empty() || place(parent_of(name))) || (seen.type == EntryType::hard_link && !place(seen.target)))
            return false;
        placed_.insert(name);
        order_.push_back(name);
        return true;
    }

    const EstargzWork& work_;
    const std::stop_token& stop_;
    std::vector<std::string> wanted_;
    std::map<std::string, Seen> known_;
    std::vector<std::string> order_;
    std::set<std::string> placed_;
};

} // namespace

std::string clean_name(std::string_view name) {
    std::vector<std::string> parts;
    for (std::string& part : split(name, '/')) {
        if (part == "..") {
            if (!parts.empty())
                parts.pop_back();
        } else if (!part.empty() && part != ".") {
            parts.push_back(std::move(part));
        }
    }
    return join(parts, "/");
}

std::size_t EntryData::read(std::span<std::byte> into) {
    if (piece_.empty()) {
        piece_ = tar_.data();
        piece_at_ = piece_.empty() ? size_ : tar_.position();
    }
    if (at_ < piece_at_) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), piece_at_ - at_));
        std::ranges::fill(into.first(count), std::byte{0});
        at_ += count;
        return count;
    }
    const std::size_t count = std::min(into.size(), piece_.size());
    std::copy_n(piece_.begin(), count, into.begin());
    piece_ = piece_.subspan(count);
    piece_at_ += count;
    at_ += count;
    return count;
}

FirstEntries take_first(const EstargzWork& work, const std::vector<std::string>& paths, const std::stop_token& stop) {
    FirstEntries first;
    if (paths.empty())
        return first;
    const std::vector<std::string> order = Plan(work, paths, stop).make();
    if (order.empty())
        return first;
    first.names.insert(order.begin(), order.end());
    first.items.resize(order.size());
    first.data = work.scratch();
    std::uint64_t end = 0;
    const auto source = work.open();
    TarReader tar(*source);
    std::vector<std::byte> buffer(256 * kib);
    while (auto entry = tar.next()) {
        check_stop(stop);
        const std::string name = clean_name(entry->name);
        if (!first.names.contains(name))
            continue;
        const auto at = static_cast<std::size_t>(std::ranges::find(order, name) - order.begin());
        const std::uint64_t begin = end;
        EntryData data(tar, entry->type == EntryType::file ? entry->size : 0);
        while (const std::size_t n = data.read(buffer)) {
            check_stop(stop);
            write_all(first.data.get(), std::span(buffer).first(n), "scratch file");
            end += n;
        }
        first.items[at] = {.entry = *std::move(entry), .offset = begin};
    }
    return first;
}

} // namespace lade::archive
