// SPDX-License-Identifier: Apache-2.0
// Whom a pull would ask, in order, without asking anybody (registry-and-unpack.md 2.9).
#pragma once

#include "oci/reference.hpp"
#include "registry/candidates.hpp"

namespace lade::transfer {

using registry::Candidate;
using registry::find_candidates;

} // namespace lade::transfer
