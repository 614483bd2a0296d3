// SPDX-License-Identifier: Apache-2.0
// Kinds whose directories hold one layer each and that overlayfs stacks (containerd-store.md 6.3).
#pragma once

#include "base/privilege.hpp"
#include "snapshot/directories.hpp"

namespace lade::snapshot {

class Layered : public Snapshotter {
public:
    TreeForm form() const noexcept override { return TreeForm::layer; }
    void create(const Stack& stack, const std::stop_token& stop) override;
    Fd tree(Id id) const override;
    std::string path(Id id) const override;
    std::vector<Mount> mounts(const Stack& stack, Access access) const override;
    void make_mountable(Id id) const override;
    void seal(Id id, const std::stop_token& stop) override;
    DiskUsage usage(const Stack& stack) const override;
    std::vector<Id> list() const override { return directories_.list(); }
    void discard(Id id, int trash, const std::string& name) const override { directories_.discard(id, trash, name); }
    void sync() const override;

protected:
    // `mount_options` are the configured ones of overlay mounts.
    Layered(const std::string& directory, std::string_view name, std::vector<std::string> mount_options)
        : directories_(directory, name), mount_options_(std::move(mount_options)) {}

    const Directories& directories() const noexcept { return directories_; }
    // What has to be mounted at path(id) to see the layer; nullopt: it lies there.
    virtual std::optional<Mount> image(Id /*id*/) const { return std::nullopt; }
    // What remapping asks for: the owner of a new root, where it is not that of the parent's, and the options in front
    // of every mount.
    struct Owner {
        std::optional<uid_t> uid;
        std::optional<gid_t> gid;
    };
    virtual Owner owner(const Stack& /*stack*/) const { return {}; }
    virtual std::vector<std::string> remapping(const Stack& /*stack*/) const { return {}; }

private:
    // `parents` without those that an opaque root hides: the kernel does not look at that mark on the root of
    // a layer, so the stack must end there.
    std::vector<Id> visible(const std::vector<Id>& parents) const;
    Mount overlay(const Stack& stack, const std::vector<Id>& lowers, Access access) const;

    Directories directories_;
    std::vector<std::string> mount_options_;
    Privilege privilege_ = privilege();
};

} // namespace lade::snapshot
