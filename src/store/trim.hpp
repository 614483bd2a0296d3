// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/store.hpp"

namespace lade::store {

// What the commit of a snapshot leaves to do, wherever a process died before or after the row said committed
// (snapshot::Snapshotter::forget_seal, trim). Snapshots that are at work are left alone.
void trim_snapshots(Store& store);

} // namespace lade::store
