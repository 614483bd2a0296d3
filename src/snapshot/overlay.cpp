// SPDX-License-Identifier: Apache-2.0
#include "snapshot/overlay.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "snapshot/copy_tree.hpp"

namespace lade::snapshot {

namespace {

std::string tree_of(Id id) {
    return cat(id, "/fs");
}

bool opaque(int directory) {
    char value = 0;
    return ::fgetxattr(directory, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

} // namespace

void Overlay::create(const Stack& stack) {
    directories_.make(stack.id, {{.name = "fs", .mode = 0755}, {.name = "work", .mode = 0711}});
    if (stack.parents.empty())
        return;
    // A new top looks like what it covers until something changes its root.
    doing([&] { return cat("snapshot ", stack.id, ": take over the root of its parent"); },
          [&] { copy_metadata(tree(stack.parents.front()).get(), tree(stack.id).get()); });
}

Fd Overlay::tree(Id id) const {
    return open_at(directories_.fd(), tree_of(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string Overlay::path(Id id) const {
    return directories_.path(tree_of(id));
}

std::vector<Id> Overlay::visible(const std::vector<Id>& parents) const {
    std::vector<Id> seen;
    for (const Id id : parents) {
        seen.push_back(id);
        if (opaque(tree(id).get()))
            break;
    }
    return seen;
}

std::vector<Mount> Overlay::mounts(const Stack& stack, Access access) const {
    const auto bind = [&](Id id, const char* mode) {
        return std::vector<Mount>{{.type = "bind", .source = path(id), .options = {mode, "rbind"}}};
    };
    const bool writable = access == Access::read_write;
    const std::vector<Id> lowers = visible(stack.parents);
    if (lowers.empty())
        return bind(stack.id, writable ? "rw" : "ro");
    if (!writable && lowers.size() == 1)
        return bind(lowers.front(), "ro");
    Mount mount{.type = "overlay", .source = "overlay", .options = {}};
    if (writable) {
        mount.options.push_back("workdir=" + directories_.path(cat(stack.id, "/work")));
        mount.options.push_back("upperdir=" + path(stack.id));
    }
    std::vector<std::string> paths;
    paths.reserve(lowers.size());
    for (const Id id : lowers)
        paths.push_back(path(id));
    mount.options.push_back("lowerdir=" + join(paths, ":"));
    if (::access("/sys/module/overlay/parameters/index", F_OK) == 0)
        mount.options.emplace_back("index=off");
    return {mount};
}

DiskUsage Overlay::usage(Id id) const {
    return disk_usage(directories_.fd(), tree_of(id));
}

void Overlay::sync() const {
    sync_file_system(directories_.fd(), "snapshots");
}

void Overlay::with_mounted(const Stack& stack, const std::function<void(int root)>& work) const {
    OverlayLayers layers{
        .lowers = {}, .upper = tree_of(stack.id), .work = cat(stack.id, "/work"), .point = cat(stack.id, "/mount")};
    for (const Id id : visible(stack.parents))
        layers.lowers.push_back(tree_of(id));
    make_directory(directories_.fd(), layers.point, 0700);
    with_overlay(directories_.fd(), layers, work);
    remove_tree(directories_.fd(), layers.point);
}

std::optional<std::string> overlay_unusable() {
    if (::geteuid() != 0)
        return "overlayfs needs privilege to write whiteouts";
    return std::nullopt;
}

} // namespace lade::snapshot
