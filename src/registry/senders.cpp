// SPDX-License-Identifier: Apache-2.0
#include "registry/senders.hpp"

#include <algorithm>

namespace lade::registry {

void Senders::note(const oci::Digest& digest, const Channel& channel, bool changed) {
    const std::scoped_lock lock(mutex_);
    Record& record = records_[digest];
    if (std::ranges::find(record.senders, &channel) == record.senders.end())
        record.senders.push_back(&channel);
    record.changed = record.changed || changed;
}

const Channel* Senders::blame(const oci::Digest& digest) {
    const std::scoped_lock lock(mutex_);
    Record& record = records_[digest];
    if (record.senders.empty())
        return nullptr;
    const auto mirror =
        std::ranges::find_if(record.senders, [](const Channel* one) { return !one->host().is_registry; });
    const Channel* const blamed = mirror == record.senders.end() ? record.senders.front() : *mirror;
    if (record.changed && !record.forgiven)
        record.forgiven = true;
    else
        record.rejected.push_back(blamed);
    record.changed = false;
    record.senders.clear();
    return blamed;
}

bool Senders::is_rejected(const oci::Digest& digest, const Channel& channel) const {
    const std::scoped_lock lock(mutex_);
    const auto record = records_.find(digest);
    return record != records_.end() &&
           std::ranges::find(record->second.rejected, &channel) != record->second.rejected.end();
}

} // namespace lade::registry
