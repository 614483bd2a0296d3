// SPDX-License-Identifier: Apache-2.0
// Units for sizes in bytes, wide enough that a product of them is computed as one.
#pragma once

#include <cstddef>

namespace lade {

inline constexpr std::size_t kib = 1024;
inline constexpr std::size_t mib = 1024 * kib;

} // namespace lade
