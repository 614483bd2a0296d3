// SPDX-License-Identifier: Apache-2.0
// Whom a Repository asks for a reference, and with whose credentials: a host's own, or none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/reference.hpp"
#include "registry/credentials.hpp"
#include "registry/hosts.hpp"
#include "registry/repository.hpp"

namespace lade::registry {

struct Candidate {
    Host host;
    KeySource keys; // to this host and no other
};

// In the order in which they are asked; never empty. Asks nobody; reads hosts.toml and certificates. What has no effect
// in these is told to `options.warn`. Errors as hosts_for().
std::vector<Candidate> find_candidates(const oci::Reference& reference, const Options& options);

// The registry of that domain itself, as its configuration has it. Errors and warnings as find_candidates().
Host find_registry(std::string_view domain, const Options& options);

// How long the exchanges with them may take.
Timeouts timeouts_of(const Options& options);

} // namespace lade::registry
