// SPDX-License-Identifier: Apache-2.0
// Layers as erofs images, one read-only file each, that overlayfs stacks. A snapshot is a directory as with overlayfs
// until it is committed.
#pragma once

#include "snapshot/layered.hpp"

namespace lade::snapshot {

class Erofs final : public Layered {
public:
    Erofs(const std::string& directory, std::vector<std::string> mount_options)
        : Layered(directory, "erofs", std::move(mount_options)) {}

    std::string_view name() const noexcept override { return "erofs"; }
    Fd layer(Id id) const override;
    // Runs mkfs.erofs; failed_precondition: there is none, or it fails. The same files make the same bytes.
    void seal(Id id, const std::stop_token& stop) override;
    void forget_seal(Id id) const override;
    void trim(Id id) const override;
    bool trims() const noexcept override { return true; }
    DiskUsage usage(const Stack& stack) const override;

private:
    std::optional<Mount> image(Id id) const override;
};

// See unusable().
std::optional<std::string> erofs_unusable();

} // namespace lade::snapshot
