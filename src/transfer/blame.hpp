// SPDX-License-Identifier: Apache-2.0
// What becomes of bytes that are not what their digest says: the host that sent them is not asked for them again, and
// the next one is.
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "oci/manifest.hpp"
#include "registry/repository.hpp"

namespace lade::transfer {

// `mismatch` is what to say about bytes that were fetched of `descriptor`. Returns when there is somebody to fetch them
// anew from, which `warn` is told of; throws it with the host's name when there is not.
void blame(registry::Repository& repository, const oci::Descriptor& descriptor, Error mismatch,
           const std::function<void(const std::string&)>& warn);

} // namespace lade::transfer
