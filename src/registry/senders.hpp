// SPDX-License-Identifier: Apache-2.0
// Which hosts sent bytes of which blob, so that one whose bytes turn out to be wrong is not asked for them again. Safe
// to use from several threads at once.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "oci/digest.hpp"
#include "registry/channel.hpp"

namespace lade::registry {

class Senders {
public:
    // `changed`: what the host sends is no longer what it had when it began.
    void note(const oci::Digest& digest, const Channel& channel, bool changed);
    // The bytes that were sent are wrong. Of several hosts that sent some the first is to blame, but a mirror before
    // the registry itself; who else was involved gets the chance to send all of them. Returns whom it is. A host whose
    // content changed meanwhile is not rejected for it, once.
    const Channel* blame(const oci::Digest& digest);
    bool is_rejected(const oci::Digest& digest, const Channel& channel) const;

private:
    struct Record {
        std::vector<const Channel*> senders; // since the last blame, in order
        std::vector<const Channel*> rejected;
        bool changed = false;
        bool forgiven = false;
    };

    mutable std::mutex mutex_;
    std::map<oci::Digest, Record> records_;
};

} // namespace lade::registry
