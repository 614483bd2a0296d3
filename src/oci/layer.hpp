// SPDX-License-Identifier: Apache-2.0
// Identities of layers (registry-and-unpack.md 4.6.3). Both wrap a Digest and are not interchangeable:
// a DiffId names the bytes of one uncompressed tar, a ChainId a stack of them.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "oci/digest.hpp"

namespace lade::oci {

struct DiffId {
    Digest digest;
    std::string string() const { return digest.string(); }
    friend auto operator<=>(const DiffId&, const DiffId&) = default;
    friend bool operator==(const DiffId&, const DiffId&) = default;
};

struct ChainId {
    Digest digest;
    std::string string() const { return digest.string(); }
    friend auto operator<=>(const ChainId&, const ChainId&) = default;
    friend bool operator==(const ChainId&, const ChainId&) = default;
};

// chain[0] = diff[0]; chain[n] = sha256(chain[n-1] + " " + diff[n]). One per diff ID, bottom first.
std::vector<ChainId> chain_ids(const std::vector<DiffId>& diff_ids);

// The chain ID of an image without layers: the digest of nothing. Its snapshot is an empty root.
ChainId empty_chain_id();

} // namespace lade::oci
