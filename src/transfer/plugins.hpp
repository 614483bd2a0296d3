// SPDX-License-Identifier: Apache-2.0
// The parts that this program is made of, as a daemon would list its plugins: types have containerd's names where
// containerd has the type, so that filters of scripts find them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/filter.hpp"
#include "oci/platform.hpp"

namespace lade::transfer {

struct Plugin {
    std::string type; // "io.containerd.snapshotter.v1"
    std::string id;   // "overlayfs"
    std::vector<std::string> requires_types;
    std::optional<oci::Platform> platform; // only of what depends on it
    std::vector<std::string> capabilities;
    std::string exports_root; // where it keeps things, "" for nowhere
    enum class Status { ok, skip, error };
    Status status = Status::ok;
    std::string reason; // of skip (this machine or user cannot) and error (it is broken)
};

std::string_view to_string(Plugin::Status status) noexcept;

// All of them, sorted by type and id, each tried out. `root` is the place of the store; `open_store` opens it if it is
// there: its Error is the status of every part that needs the store.
std::vector<Plugin> list_plugins(const std::string& root, const std::function<void()>& open_store);

// `type` and `id`; `platforms` and `capabilities` are absent, as the reference has it. Refers to the plugin.
Adaptor fields(const Plugin& plugin);

} // namespace lade::transfer
