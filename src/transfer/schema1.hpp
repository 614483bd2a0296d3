// SPDX-License-Identifier: Apache-2.0
// A schema 1 manifest of a registry as an image of today (registry-and-unpack.md 3.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>

#include "transfer/root.hpp"

namespace lade::transfer {

// Fetches layers that are not here, and makes config and manifest. The same source gives the same documents. Layers
// remember what was found out about them in labels, so that they are decoded once.
Root convert_schema1(const RemoteOrigin& origin, const oci::Descriptor& source, std::size_t at_once,
                     std::uint64_t ratio, const std::stop_token& stop);

} // namespace lade::transfer
