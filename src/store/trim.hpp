// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/store.hpp"

namespace lade::store {

// What the commit of a snapshot leaves to do (snapshot::Snapshotter::trim), wherever a process died before it did.
void trim_committed(Store& store);

} // namespace lade::store
