// SPDX-License-Identifier: Apache-2.0
// What to mount to see a snapshot, and a mount that only the calling thread sees (registry-and-unpack.md 6).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace lade::snapshot {

struct Mount {
    std::string type;
    std::string source;
    std::vector<std::string> options;
};

// Mounts an overlay of `lowers` (nearest first) under `upper`, all names relative to `base`, hands its
// root's descriptor to `work`, and unmounts. Everything happens in a thread with a mount namespace of its
// own: nobody else sees the mount, and the kernel removes it when the process dies. Errors of `work` come
// through. permission_denied without the privilege to mount.
struct OverlayLayers {
    std::vector<std::string> lowers;
    std::string upper;
    std::string work;
    std::string point; // an empty directory to mount on
};
void with_overlay(int base, const OverlayLayers& layers, const std::function<void(int root)>& work);

} // namespace lade::snapshot
