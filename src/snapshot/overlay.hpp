// SPDX-License-Identifier: Apache-2.0
// Layers as directories that overlayfs stacks (containerd-store.md 6.3).
#pragma once

#include "snapshot/layered.hpp"

namespace lade::snapshot {

class Overlay final : public Layered {
public:
    Overlay(const std::string& directory, std::vector<std::string> mount_options)
        : Layered(directory, "overlayfs", std::move(mount_options)) {}

    std::string_view name() const noexcept override { return "overlayfs"; }
    bool remaps() const noexcept override { return true; }

private:
    Owner owner(const Stack& stack) const override;
    std::vector<std::string> remapping(const Stack& stack) const override;
};

// See unusable().
std::optional<std::string> overlay_unusable(const std::string& directory);

} // namespace lade::snapshot
