// SPDX-License-Identifier: Apache-2.0
// Room on the store's disk for what is too large for memory.
#pragma once

#include "base/fd.hpp"
#include "store/store.hpp"

namespace lade::store {

// An empty file, open for reading and writing; it has no name and goes with its descriptor, whatever becomes of the
// process.
Fd scratch_file(const Store& store);

} // namespace lade::store
