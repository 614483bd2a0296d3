// SPDX-License-Identifier: Apache-2.0
#include "archive/flat_changes.hpp"

#include <utility>

namespace lade::archive {

namespace {

bool same_content(const FlatTree& before, const FlatTree& after, FlatTree::Id a, FlatTree::Id b,
                  const SameData& same_data) {
    const FlatTree::Node& one = before.node(a);
    const FlatTree::Node& other = after.node(b);
    switch (one.type) {
    case EntryType::file:
        return one.size == other.size && (one.size == 0 || same_data(a, b));
    case EntryType::symlink:
        return before.link(a) == after.link(b);
    case EntryType::char_device:
    case EntryType::block_device:
        return one.major == other.major && one.minor == other.minor;
    case EntryType::directory:
    case EntryType::fifo:
    case EntryType::hard_link:
        break;
    }
    return true;
}

FlatAspects compare_files(const FlatTree& before, const FlatTree& after, FlatTree::Id a, FlatTree::Id b,
                          const SameData& same_data) {
    const FlatTree::Node& one = before.node(a);
    const FlatTree::Node& other = after.node(b);
    if (one.type != other.type)
        return {.type = true};
    return {.content = !same_content(before, after, a, b, same_data),
            .mode = one.mode != other.mode,
            .owner = std::pair(one.uid, one.gid) != std::pair(other.uid, other.gid),
            .time = std::pair(one.mtime.seconds, one.mtime.nanoseconds) !=
                    std::pair(other.mtime.seconds, other.mtime.nanoseconds),
            .xattrs = before.xattrs(a) != after.xattrs(b)};
}

} // namespace

void compare_flat(const FlatTree& before, const FlatTree& after, const SameData& same_data,
                  const std::function<void(const FlatChange&)>& receiver) {
    FlatWalk a(before, FlatTree::root, "");
    FlatWalk b(after, FlatTree::root, "");
    bool has_a = a.next();
    bool has_b = b.next();
    while (has_a || has_b) {
        const bool is_before = has_a && (!has_b || comes_before(a.path(), b.path()));
        const bool is_after = has_b && (!has_a || comes_before(b.path(), a.path()));
        FlatChange change{.path = is_after ? b.path() : a.path(), .before = {}, .after = {}, .aspects = {}};
        change.before = is_after ? FlatTree::none : a.id();
        change.after = is_before ? FlatTree::none : b.id();
        if (!is_before && !is_after)
            change.aspects = compare_files(before, after, a.id(), b.id(), same_data);
        if (is_before || is_after || change.aspects.any())
            receiver(change);
        if (!is_after)
            has_a = a.next();
        if (!is_before)
            has_b = b.next();
    }
}

} // namespace lade::archive
