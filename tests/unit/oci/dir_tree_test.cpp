// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "oci/dir_tree.hpp"
#include "unit/kind_of.hpp"

using lade::ErrorKind;
using lade::test::kind_of;
namespace dir_tree = lade::oci::dir_tree;

TEST_SUITE("oci") {
    TEST_CASE("dir tree: known by its file version") {
        CHECK(dir_tree::is_marker("Directory Transport Version: 1.1\n"));
        CHECK(dir_tree::is_marker("Directory Transport Version: 1.0"));
        for (const char* other : {"", "1.1", "directory transport version: 1.1", "{}"})
            CHECK_FALSE(dir_tree::is_marker(other));
        for (const char* unknown : {"Directory Transport Version: 2.0\n", "Directory Transport Version: "})
            CHECK(kind_of([&] { dir_tree::is_marker(unknown); }) == ErrorKind::unimplemented);
    }

    TEST_CASE("dir tree: where things lie") {
        const auto digest = lade::oci::Digest::of("x");
        CHECK(dir_tree::blob_path(digest) == digest.hex());
        CHECK(dir_tree::manifest_path(digest) == digest.hex() + ".manifest.json");
    }
}
