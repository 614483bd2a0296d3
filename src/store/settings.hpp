// SPDX-License-Identifier: Apache-2.0
// Settings of the store, which hold for every process that uses it and for all namespaces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "store/store.hpp"

namespace lade::store {

struct Setting {
    std::string_view name;
    std::vector<std::string_view> values; // the first is what holds while none is set
    // For one with other values: throws invalid_argument. nullptr: there are no others.
    void (*check)(std::string_view value) = nullptr;
};

// A comma list, added to every mount of an overlay (containerd-store.md 6.3).
inline constexpr std::string_view overlay_mount_options = "overlay-mount-options";

// All there are, in byte order.
const std::vector<Setting>& settings();
// invalid_argument: no such setting; the error lists them.
const Setting& get_setting(std::string_view name);

// The value that holds.
std::string setting_value(Store& store, const Setting& setting);
// invalid_argument: not one of its values. Takes effect for whatever begins afterwards; what namespaces have they keep.
void set_setting(Store& store, const Setting& setting, std::string_view value);

// The size of the blob when the namespace may have it without presenting its bytes (containerd-store.md 2.4), nullopt
// when it may not. What it has itself, it may have. Under the setting content-sharing=shared so it is with everything
// that any namespace has; under `isolated`, with what namespaces have that are labelled
// containerd.io/namespace.shareable=true.
std::optional<std::uint64_t> obtainable_size(Store& store, const std::string& name_space, const oci::Digest& digest);

} // namespace lade::store
