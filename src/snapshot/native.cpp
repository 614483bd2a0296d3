// SPDX-License-Identifier: Apache-2.0
#include "snapshot/native.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/privilege.hpp"
#include "snapshot/copy_tree.hpp"

namespace lade::snapshot {

namespace {

std::string tree_of(Id id) {
    return cat(id, "/fs");
}

} // namespace

void Native::create(const Stack& stack, const std::stop_token& stop) {
    directories_.make(stack.id, {{.name = "fs", .mode = 0755}});
    if (!stack.parents.empty())
        copy_tree(tree(stack.parents.front()).get(), tree(stack.id).get(), stop);
}

Fd Native::tree(Id id) const {
    return open_at(directories_.fd(), tree_of(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string Native::path(Id id) const {
    return directories_.path(tree_of(id));
}

std::vector<Mount> Native::mounts(const Stack& stack, Access access) const {
    return bind_whole(*this, stack, access);
}

DiskUsage Native::usage(const Stack& stack) const {
    return disk_usage(directories_.fd(), tree_of(stack.id));
}

void Native::sync() const {
    sync_file_system(directories_.fd(), "snapshots");
}

std::optional<std::string> native_unusable() {
    if (!may_enter_all(privilege()))
        return "native snapshots need root, or a user namespace, to keep owners";
    return std::nullopt;
}

} // namespace lade::snapshot
