// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "transfer/referrer_walk.hpp"

using namespace lade;
using namespace lade::transfer;

namespace {

oci::Digest digest(const std::string& name) {
    return oci::Digest::of(name);
}

// Who is listed for whom, and what came of it.
struct Lists {
    std::map<oci::Digest, std::vector<oci::Descriptor>> listed;
    std::vector<std::pair<oci::Digest, oci::Digest>> taken; // subject, referrer
    std::map<oci::Digest, oci::Digest> subjects;            // that documents name

    void add(const std::string& subject, const std::string& referrer) {
        listed[digest(subject)].push_back({.media_type = "x", .digest = digest(referrer), .size = 1});
        subjects.try_emplace(digest(referrer), digest(subject));
    }
    void walk(const std::vector<oci::Digest>& from) {
        walk_referrers(
            from, [&](const oci::Digest& subject) { return listed[subject]; },
            [&](const oci::Digest& subject, const oci::Descriptor& one) {
                if (subjects.at(one.digest) != subject)
                    return false;
                taken.emplace_back(subject, one.digest);
                return true;
            });
    }
};

} // namespace

TEST_SUITE("referrer walk") {
    TEST_CASE("each after what it refers to, and once") {
        Lists lists;
        lists.add("image", "sbom");
        lists.add("image", "signature");
        lists.add("image", "sbom");
        lists.add("sbom", "its signature");
        lists.walk({digest("image"), digest("image")});
        REQUIRE(lists.taken.size() == 3);
        CHECK(lists.taken[0].second == digest("sbom"));
        CHECK(lists.taken[2] == std::pair(digest("sbom"), digest("its signature")));
    }

    TEST_CASE("one that is listed where it does not belong is taken where it does") {
        Lists lists;
        lists.subjects.emplace(digest("signature"), digest("two"));
        lists.add("one", "signature");
        lists.add("two", "signature");
        lists.walk({digest("one"), digest("two")});
        REQUIRE(lists.taken.size() == 1);
        CHECK(lists.taken[0].first == digest("two"));
    }

    TEST_CASE("circles and long chains end") {
        Lists lists;
        lists.add("a", "b");
        lists.add("b", "a");
        lists.subjects.insert_or_assign(digest("a"), digest("b"));
        lists.walk({digest("a")});
        CHECK(lists.taken.size() == 2);

        Lists chain;
        for (int i = 0; i < 30; ++i)
            chain.add(std::to_string(i), std::to_string(i + 1));
        chain.walk({digest("0")});
        CHECK(chain.taken.size() == max_referrer_depth);
    }
}
