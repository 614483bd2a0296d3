// SPDX-License-Identifier: Apache-2.0
#include "archive/tree_pair.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "archive/file_data.hpp"
#include "base/error.hpp"
#include "base/files.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

std::vector<std::string> united(const std::vector<std::string>& one, const std::vector<std::string>& other) {
    std::vector<std::string> all;
    all.reserve(std::max(one.size(), other.size()));
    std::ranges::set_union(one, other, std::back_inserter(all));
    return all;
}

} // namespace

bool is_whiteout(const struct stat& st) noexcept {
    return S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(0, 0);
}

TreeCursor::TreeCursor(int root, const Remapped& remapped) : missing_(root < 0 ? 1 : 0) {
    if (root >= 0)
        current_ = open_directory(root, ".");
    if (!remapped.undo || remapped.layer < 0)
        return;
    undo_ = remapped.undo;
    layer_ = std::make_unique<TreeCursor>(remapped.layer);
}

TreeCursor::Inode TreeCursor::inode_of(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0)
        throw_errno(errno, "stat");
    return {st.st_dev, st.st_ino};
}

std::optional<struct stat> TreeCursor::find(const std::string& name) const {
    struct stat st {};
    if (missing_ > 0)
        return std::nullopt;
    if (::fstatat(current_.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
        if (errno == ENOENT)
            return std::nullopt;
        throw_errno(errno, "stat ", printable(name));
    }
    if (layer_ && !is_whiteout(st) && layer_->find(name))
        doing([&] { return printable(name); }, [&] { undo_(st); });
    return st;
}

std::vector<std::string> TreeCursor::names() const {
    return missing_ > 0 ? std::vector<std::string>() : list_directory(current_.get(), ".");
}

void TreeCursor::enter(const std::string& name, bool exists) {
    if (layer_) {
        const auto status = layer_->find(name);
        layer_->enter(name, status && S_ISDIR(status->st_mode));
    }
    if (missing_ > 0 || !exists) {
        ++missing_;
        return;
    }
    Fd below = open_directory(current_.get(), name);
    above_.push_back(inode_of(current_.get()));
    current_ = std::move(below);
}

void TreeCursor::leave() {
    if (layer_)
        layer_->leave();
    if (missing_ > 0) {
        --missing_;
        return;
    }
    Fd up = open_directory(current_.get(), "..");
    if (inode_of(up.get()) != above_.back())
        throw_moved(ENOENT, "open ..");
    above_.pop_back();
    current_ = std::move(up);
}

TreePair::TreePair(const Trees& trees)
    : marks_(trees.marks), lower_(trees.lower, trees.lower_remapped), upper_(trees.upper, trees.upper_remapped) {
    levels_.push_back(open_level(marks_.empty()));
}

TreePair::Level TreePair::open_level(bool whole) const {
    Level level{.names = upper_.names(), .next = 0, .whole = whole};
    if (lower_.fd() < 0)
        return level;
    level.whole = whole || is_opaque(upper_.fd(), marks_);
    if (level.whole)
        level.names = united(level.names, lower_.names());
    return level;
}

std::optional<TreePair::Item> TreePair::next() {
    while (levels_.back().next == levels_.back().names.size()) {
        if (levels_.size() == 1)
            return std::nullopt;
        levels_.pop_back();
        lower_.leave();
        upper_.leave();
    }
    Level& level = levels_.back();
    Item item{.name = std::move(level.names[level.next++]), .lower = {}, .upper = {}};
    item.lower = lower_.find(item.name);
    item.upper = upper_.find(item.name);
    if (item.lower && is_whiteout(*item.lower))
        item.lower.reset();
    if (item.upper && !marks_.empty() && is_whiteout(*item.upper))
        item.upper.reset();
    return item;
}

void TreePair::enter(const Item& item) {
    lower_.enter(item.name, item.lower && S_ISDIR(item.lower->st_mode));
    upper_.enter(item.name, true);
    levels_.push_back(open_level(levels_.back().whole));
}

} // namespace lade::archive
