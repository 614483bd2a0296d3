// SPDX-License-Identifier: Apache-2.0
// Every snapshot a subvolume that shares what it has with its parent (btrfs-subvolume(8)).
#pragma once

#include "snapshot/directories.hpp"

namespace lade::snapshot {

class Btrfs final : public Snapshotter {
public:
    explicit Btrfs(const std::string& directory) : directories_(directory, "btrfs") {}

    std::string_view name() const noexcept override { return "btrfs"; }
    TreeForm form() const noexcept override { return TreeForm::whole; }
    void create(const Stack& stack, const std::stop_token& stop) override;
    Fd tree(Id id) const override;
    std::string path(Id id) const override;
    std::vector<Mount> mounts(const Stack& stack, Access access) const override;
    // failed_precondition: somebody made subvolumes in it, which snapshots of it would show empty.
    void seal(Id id, const std::stop_token& stop) override;
    // What it does not share with its parent.
    DiskUsage usage(const Stack& stack) const override;
    std::vector<Id> list() const override { return directories_.list(); }
    void discard(Id id, int trash, const std::string& name) const override { directories_.discard(id, trash, name); }
    void sync() const override;

private:
    Directories directories_;
};

// See unusable().
std::optional<std::string> btrfs_unusable(const std::string& directory);

} // namespace lade::snapshot
