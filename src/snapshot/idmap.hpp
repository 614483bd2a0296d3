// SPDX-License-Identifier: Apache-2.0
// Mounts that show other owners than the disk has (mount_setattr(2); containerd-store.md 6.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace lade::snapshot {

// Labels of snapshots; each has a mapping as its value.
inline constexpr std::string_view uid_mapping_label = "containerd.io/snapshot/uidmapping";
inline constexpr std::string_view gid_mapping_label = "containerd.io/snapshot/gidmapping";

struct IdRange {
    std::uint32_t container = 0; // the first that the disk has
    std::uint32_t host = 0;      // ... and as what the mount shows it
    std::uint32_t size = 0;
};

// "0:100000:65536[,...]". invalid_argument: not this form, or a range that holds what is no id.
std::vector<IdRange> parse_id_mapping(std::string_view text);
// As what `id` is shown. invalid_argument: it is in none of the ranges.
std::uint32_t host_id(const std::vector<IdRange>& ranges, std::uint32_t id);

// What is shown as `id`; nullopt: nothing is.
std::optional<std::uint32_t> container_id(const std::vector<IdRange>& ranges, std::uint32_t id);

// A mount of what lies at `source`, attached nowhere, that shows owners by these mappings. failed_precondition: kernel
// or file system cannot; permission_denied. Linux 5.12.
Fd open_remapped(const std::string& source, bool recursive, const std::string& uids, const std::string& gids);

} // namespace lade::snapshot
