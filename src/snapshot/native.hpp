// SPDX-License-Identifier: Apache-2.0
// Every snapshot a whole copy: works on any file system, costs a copy per layer (containerd-store.md 6.4).
#pragma once

#include "snapshot/directories.hpp"

namespace lade::snapshot {

class Native final : public Snapshotter {
public:
    explicit Native(const std::string& directory) : directories_(directory, "native") {}

    std::string_view name() const noexcept override { return "native"; }
    TreeForm form() const noexcept override { return TreeForm::whole; }
    bool copies() const noexcept override { return true; }
    void create(const Stack& stack, const std::stop_token& stop) override;
    Fd tree(Id id) const override;
    std::string path(Id id) const override;
    std::vector<Mount> mounts(const Stack& stack, Access access) const override;
    void seal(Id /*id*/, const std::stop_token& /*stop*/) override {}
    DiskUsage usage(const Stack& stack) const override;
    std::vector<Id> list() const override { return directories_.list(); }
    void discard(Id id, int trash, const std::string& name) const override { directories_.discard(id, trash, name); }
    void sync() const override;

private:
    Directories directories_;
};

// See unusable().
std::optional<std::string> native_unusable();

} // namespace lade::snapshot
