// SPDX-License-Identifier: Apache-2.0
#include "transfer/provider.hpp"

#include <utility>

#include "transfer/blame.hpp"

namespace lade::transfer {

void RepositoryProvider::blame(const oci::Descriptor& descriptor, Error mismatch,
                               const std::function<void(const std::string&)>& warn) {
    transfer::blame(repository_, descriptor, std::move(mismatch), warn);
}

} // namespace lade::transfer
