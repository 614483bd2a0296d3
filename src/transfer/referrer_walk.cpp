// SPDX-License-Identifier: Apache-2.0
#include "transfer/referrer_walk.hpp"

#include <deque>
#include <set>

namespace lade::transfer {

void walk_referrers(const std::vector<oci::Digest>& subjects, const FindReferrers& find, const TakeReferrer& take) {
    struct Subject {
        oci::Digest digest;
        std::size_t depth;
    };
    std::set<oci::Digest> known;
    std::set<oci::Digest> taken;
    std::deque<Subject> pending;
    const auto add = [&](const oci::Digest& digest, std::size_t depth) {
        if (known.insert(digest).second)
            pending.push_back({.digest = digest, .depth = depth});
    };
    for (const oci::Digest& subject : subjects)
        add(subject, 0);
    while (!pending.empty()) {
        const Subject subject = pending.front();
        pending.pop_front();
        for (const oci::Descriptor& one : find(subject.digest)) {
            if (taken.contains(one.digest) || !take(subject.digest, one))
                continue;
            taken.insert(one.digest);
            if (subject.depth + 1 < max_referrer_depth)
                add(one.digest, subject.depth + 1);
        }
    }
}

} // namespace lade::transfer
