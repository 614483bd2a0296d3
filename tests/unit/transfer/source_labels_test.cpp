// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "transfer/source_labels.hpp"

using namespace lade;
using namespace lade::transfer;

namespace {

std::string nearest(const std::string& listed, const std::string& target) {
    return nearest_source({{"containerd.io/distribution.source.h.example", listed}}, oci::Reference::parse(target));
}

} // namespace

TEST_SUITE("source labels") {
    TEST_CASE("the repository that has most of the path in common, the last of several") {
        CHECK(nearest("a/b,a/c/d,z", "h.example/a/c/x:1") == "a/c/d");
        CHECK(nearest("a/b,a/c", "h.example/a/x:1") == "a/c");
        CHECK(nearest("m,n", "h.example/a/x:1") == "n");
    }

    TEST_CASE("the port does not count, the target itself does not either") {
        CHECK(nearest("a/b", "h.example:5000/c:1") == "a/b");
        CHECK(nearest("a/b", "h.example/a/b:2").empty());
        CHECK(nearest("a/b", "other.example/c:1").empty());
    }

    TEST_CASE("what is no repository is passed over") {
        CHECK(nearest("../up,A,a b,x?y=1,", "h.example/c:1").empty());
        CHECK(nearest("../up,good,a:tag", "h.example/c:1") == "good");
    }
}
