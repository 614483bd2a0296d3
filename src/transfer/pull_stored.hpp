// SPDX-License-Identifier: Apache-2.0
// A pull that asks nobody: what is offline, and what other policies try first.
#pragma once

#include <optional>
#include <stop_token>

#include "oci/reference.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"
#include "transfer/progress.hpp"
#include "transfer/pull.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

// Where a pull unpacks; nullopt when content is all that is wanted. Refers to all that it is given.
std::optional<Destination> destination_of(store::Store& store, const PullOptions& options, store::LeaseHold& lease,
                                          Progress& progress);

// The image of that name with all that the options ask for; unpacked as far as it is not. not_found names what is not
// here: the name, a document, or a layer that a pull would fetch. data_loss and what unpack_image() throws: something
// is damaged.
Pulled pull_stored(store::Store& store, const oci::Reference& reference, const PullOptions& options,
                   store::LeaseHold& lease, Progress& progress, const std::stop_token& stop);

} // namespace lade::transfer
