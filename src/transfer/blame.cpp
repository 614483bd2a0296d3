// SPDX-License-Identifier: Apache-2.0
#include "transfer/blame.hpp"

#include "transfer/image.hpp"

namespace lade::transfer {

void blame(registry::Repository& repository, const oci::Descriptor& descriptor, Error mismatch,
           const std::function<void(const std::string&)>& warn) {
    const registry::Repository::Blamed blamed = repository.blame(descriptor.digest);
    if (!blamed.others) {
        if (!blamed.host.empty())
            mismatch.add_context(blamed.host);
        throw mismatch; // NOLINT(misc-throw-by-value-catch-by-reference)
    }
    warn(cat(kind_of(descriptor), ' ', descriptor.digest, ": ", blamed.host, " sent something else, fetching it anew"));
}

} // namespace lade::transfer
