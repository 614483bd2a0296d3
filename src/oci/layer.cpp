// SPDX-License-Identifier: Apache-2.0
#include "oci/layer.hpp"

#include "base/error.hpp"

namespace lade::oci {

std::vector<ChainId> chain_ids(const std::vector<DiffId>& diff_ids) {
    std::vector<ChainId> chain;
    for (const DiffId& diff_id : diff_ids) {
        if (chain.empty())
            chain.push_back({diff_id.digest});
        else
            chain.push_back({Digest::of(cat(chain.back().digest, ' ', diff_id.digest))});
    }
    return chain;
}

ChainId empty_chain_id() {
    return {Digest::of("")};
}

} // namespace lade::oci
