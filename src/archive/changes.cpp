// SPDX-License-Identifier: Apache-2.0
#include "archive/changes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "archive/file_data.hpp"
#include "base/error.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "base/xattrs.hpp"

namespace lade::archive {

namespace {

bool is_directory(const std::optional<struct stat>& st) {
    return st && S_ISDIR(st->st_mode);
}

bool same_time(const timespec& one, const timespec& other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

// All that a stat says and that counts, but the link count. The sizes of directories and links are the file system's
// own matter.
bool same_status(const struct stat& lower, const struct stat& upper) {
    const bool is_device = S_ISCHR(upper.st_mode) || S_ISBLK(upper.st_mode);
    return lower.st_mode == upper.st_mode && lower.st_uid == upper.st_uid && lower.st_gid == upper.st_gid &&
           (!is_device || lower.st_rdev == upper.st_rdev) && same_time(lower.st_mtim, upper.st_mtim) &&
           (!S_ISREG(upper.st_mode) || lower.st_size == upper.st_size);
}

class Comparer {
public:
    Comparer(const Trees& trees, const std::function<void(const Change&)>& receiver, Warnings& warnings,
             const std::stop_token& stop)
        : trees_(trees), pair_(trees), receiver_(receiver), warnings_(warnings), stop_(stop) {}

    void run() {
        compare_roots();
        while (const auto item = next()) {
            check_stop(stop_);
            folders_.resize(pair_.depth());
            const auto path = [&] { return printable(folders_.back()->child(item->name)); };
            const auto change = doing(path, [&] { return judge(*item); });
            if (!change)
                continue;
            if (change->kind != ChangeKind::same || !change->self)
                receiver_(*change);
            if (change->self) {
                doing(path, [&] { pair_.enter(*item); });
                folders_.push_back(change->self);
            }
        }
    }

private:
    void compare_roots() {
        const auto status = [](int fd, const Remapped& remapped) {
            struct stat st {};
            if (::fstat(fd, &st) != 0)
                throw_errno(errno, "stat the root");
            if (remapped.undo)
                doing("/", [&] { remapped.undo(st); });
            return st;
        };
        Change change{.kind = ChangeKind::added, .directory = trees_.upper};
        change.upper = status(trees_.upper, trees_.upper_remapped);
        folders_.push_back(std::make_shared<Folder>(nullptr, "", change.upper, read_xattrs(trees_.upper, ".")));
        change.self = folders_.back();
        if (trees_.lower >= 0) {
            change.kind = ChangeKind::modified;
            change.lower = status(trees_.lower, trees_.lower_remapped);
            if (same_status(change.lower, change.upper) && read_xattrs(trees_.lower, ".") == change.self->xattrs)
                return;
        }
        receiver_(change);
    }

    std::optional<TreePair::Item> next() {
        return doing([&] { return cat('/', printable(folders_[pair_.depth() - 1]->path())); },
                     [&] { return pair_.next(); });
    }

    // nullopt: nothing to tell, and nothing to go into.
    std::optional<Change> judge(const TreePair::Item& item) {
        Change change{.parent = folders_.back(), .name = item.name, .directory = pair_.upper()};
        if (!item.upper || cannot_be_told(item)) {
            if (!item.lower || (item.upper && S_ISSOCK(item.upper->st_mode) && S_ISSOCK(item.lower->st_mode)))
                return std::nullopt;
            change.kind = ChangeKind::removed;
            change.lower = *item.lower;
            return change;
        }
        change.upper = *item.upper;
        if (is_directory(item.upper))
            change.self = std::make_shared<Folder>(folders_.back(), item.name, *item.upper,
                                                   read_xattrs(pair_.upper(), item.name));
        if (!item.lower || is_directory(item.lower) != is_directory(item.upper)) {
            change.kind = ChangeKind::added;
            return change;
        }
        change.lower = *item.lower;
        change.kind = is_same(item, change.self.get()) ? ChangeKind::same : ChangeKind::modified;
        const bool has_names = item.lower->st_nlink > 1 || item.upper->st_nlink > 1;
        if (change.kind == ChangeKind::same && !change.self && !has_names)
            return std::nullopt;
        return change;
    }

    bool cannot_be_told(const TreePair::Item& item) {
        const bool socket = S_ISSOCK(item.upper->st_mode);
        if (!socket && !is_whiteout(*item.upper))
            return false;
        if (!item.lower || item.lower->st_mode != item.upper->st_mode)
            warnings_.warn(cat(socket ? "socket " : "character device 0:0 ",
                               printable(folders_.back()->child(item.name)), " is left out"));
        return true;
    }

    bool is_same(const TreePair::Item& item, const Folder* folder) const {
        const struct stat& lower = *item.lower;
        const struct stat& upper = *item.upper;
        if (lower.st_dev == upper.st_dev && lower.st_ino == upper.st_ino)
            return true;
        if (!same_status(lower, upper))
            return false;
        const Xattrs below = read_xattrs(pair_.lower(), item.name);
        if (below != (folder == nullptr ? read_xattrs(pair_.upper(), item.name) : folder->xattrs))
            return false;
        if (S_ISLNK(upper.st_mode))
            return read_link(pair_.lower(), item.name) == read_link(pair_.upper(), item.name);
        return !S_ISREG(upper.st_mode) || !may_differ(lower, upper) ||
               same_data(open_file(pair_.lower(), item.name), open_file(pair_.upper(), item.name), stop_);
    }

    // Whether the data of two files that are alike in all else must be read.
    bool may_differ(const struct stat& lower, const struct stat& upper) const {
        // Times of whole seconds were cut, by a tar most often, or set: they do not tell of a change within one.
        if (upper.st_mtim.tv_nsec == 0)
            return true;
        // It would not lie in the layer if nobody had touched it, and times of modification can be set.
        if (!trees_.marks.empty())
            return true;
        return trees_.share_inodes && (lower.st_ino != upper.st_ino || !same_time(lower.st_ctim, upper.st_ctim));
    }

    const Trees& trees_;
    TreePair pair_;
    const std::function<void(const Change&)>& receiver_;
    Warnings& warnings_;
    const std::stop_token& stop_;
    std::vector<std::shared_ptr<Folder>> folders_; // from the root to where the walk is
};

// See can_compare_layer().
bool speaks_of_others(const TreePair& pair, const TreePair::Item& item, const std::string& marks) {
    const XattrsOf upper(pair.upper(), item.name);
    for (const std::string& xattr : upper.list()) {
        if (!xattr.starts_with(marks))
            continue;
        const std::string_view mark = std::string_view(xattr).substr(marks.size());
        if (mark == "redirect" || mark == "metacopy" || mark == "nlink")
            return true;
        // "x": some of the whiteouts in it are xattrs.
        if (mark == "opaque" && upper.find(xattr) != "y")
            return true;
    }
    return !is_directory(item.upper) && item.lower && !is_directory(item.lower) && item.lower->st_nlink > 1 &&
           same_status(*item.lower, *item.upper);
}

} // namespace

Folder::~Folder() {
    while (parent && parent.use_count() == 1)
        parent = std::exchange(parent->parent, nullptr);
}

std::string Folder::path() const {
    std::vector<const std::string*> parts;
    for (const Folder* at = this; at->parent; at = at->parent.get())
        parts.push_back(&at->name);
    std::string path;
    for (std::size_t i = parts.size(); i-- > 0;)
        path.append(*parts[i]).append(i > 0 ? "/" : "");
    return path;
}

std::string Folder::child(const std::string& of) const {
    return parent ? path().append("/").append(of) : of;
}

void compare(const Trees& trees, const std::function<void(const Change&)>& receiver, Warnings& warnings,
             const std::stop_token& stop) {
    Comparer(trees, receiver, warnings, stop).run();
}

bool can_compare_layer(const Trees& trees, const std::stop_token& stop) {
    TreePair pair(trees);
    std::vector<std::string> above; // the names that lead to where the walk is
    const auto next = [&] {
        return doing(
            [&] {
                above.resize(pair.depth() - 1);
                return cat('/', printable(join(above, "/")));
            },
            [&] { return pair.next(); });
    };
    while (const auto item = next()) {
        check_stop(stop);
        above.resize(pair.depth() - 1);
        if (!item->upper)
            continue;
        if (speaks_of_others(pair, *item, trees.marks))
            return false;
        if (is_directory(item->upper)) {
            pair.enter(*item);
            above.push_back(item->name);
        }
    }
    return true;
}

} // namespace lade::archive
