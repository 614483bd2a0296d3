// SPDX-License-Identifier: Apache-2.0
// The document that a reference resolves to, as an image of today: older forms are converted
// (registry-and-unpack.md 3.5, 3.6).
#pragma once

#include <cstddef>
#include <map>
#include <stop_token>
#include <string>

#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "oci/manifest.hpp"
#include "transfer/fetch.hpp"

namespace lade::transfer {

struct Root {
    oci::Descriptor target;
    std::map<oci::Digest, std::string> documents{}; // read already; of those that were made here no registry has one
    oci::Labels labels{};                           // that the image gets
};

// Of a schema 1 manifest the layers are fetched, too, `at_once` at the same time: what the image's config says of them
// has to be found out. resource_exhausted: one decodes to more than `ratio` times its size.
Root fetch_root(const RemoteOrigin& origin, const oci::Descriptor& resolved, std::size_t at_once, std::uint64_t ratio,
                const std::stop_token& stop);

} // namespace lade::transfer
