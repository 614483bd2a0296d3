// SPDX-License-Identifier: Apache-2.0
// Manifests that let go of what they refer to, as far as nobody else relies on it.
#pragma once

#include <map>
#include <set>
#include <string>

#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

// Labels `changes` of content, which take references away, in one transaction with the look at who reaches it: another
// image of the namespace than `images`, or another lease than `lease`, the work of another process say, needs those
// references, and then they stay. Who these are ("image docker.io/library/a:1"), each once. Content that is not
// recorded is passed over.
std::set<std::string> let_go(Store& store, const std::string& name_space,
                             const std::map<oci::Digest, oci::Labels>& changes, const std::set<std::string>& images,
                             const LeaseHold& lease);

} // namespace lade::store
