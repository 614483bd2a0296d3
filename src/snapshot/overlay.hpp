// SPDX-License-Identifier: Apache-2.0
// Layers as directories that overlayfs stacks (containerd-store.md 6.3).
#pragma once

#include "base/privilege.hpp"
#include "snapshot/directories.hpp"

namespace lade::snapshot {

class Overlay final : public Snapshotter {
public:
    explicit Overlay(const std::string& directory) : directories_(directory, "overlayfs") {}

    std::string_view name() const noexcept override { return "overlayfs"; }
    TreeForm form() const noexcept override { return TreeForm::layer; }
    void create(const Stack& stack, const std::stop_token& stop) override;
    Fd tree(Id id) const override;
    std::string path(Id id) const override;
    std::vector<Mount> mounts(const Stack& stack, Access access) const override;
    DiskUsage usage(Id id) const override;
    std::vector<Id> list() const override { return directories_.list(); }
    void discard(Id id, int trash, const std::string& name) const override { directories_.discard(id, trash, name); }
    void seal(Id id, const std::stop_token& stop) override;
    void sync() const override;

private:
    // `parents` without those that an opaque root hides: the kernel does not look at that mark on the root of
    // a layer, so the stack must end there.
    std::vector<Id> visible(const std::vector<Id>& parents) const;

    Directories directories_;
    Privilege privilege_ = privilege();
};

// See unusable().
std::optional<std::string> overlay_unusable();

} // namespace lade::snapshot
