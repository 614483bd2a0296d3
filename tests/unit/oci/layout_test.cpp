// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "oci/layout.hpp"
#include "unit/kind_of.hpp"

using lade::cat;
using lade::ErrorKind;
using lade::oci::Descriptor;
using lade::oci::Digest;
using lade::test::kind_of;

namespace {

const Digest digest = Digest::of("image");

Descriptor image(const std::string& name, const std::string& reference) {
    Descriptor descriptor{.media_type = "m", .digest = digest};
    if (!name.empty())
        descriptor.annotations.emplace(lade::oci::annotation::image_name, name);
    if (!reference.empty())
        descriptor.annotations.emplace(lade::oci::annotation::reference_name, reference);
    return descriptor;
}

using Names = std::vector<std::string>;

} // namespace

TEST_SUITE("oci") {
    TEST_CASE("layout: its files") {
        CHECK(lade::oci::layout::blob_path(digest) == cat("blobs/sha256/", digest.hex()));
        CHECK(lade::oci::layout::find_blob(cat("blobs/sha256/", digest.hex())) == digest);
        for (const std::string& bad : {cat("blobs/", digest.hex()), cat("blobs/sha256/", digest.hex(), "/x"),
                                       cat("x/sha256/", digest.hex()), std::string("blobs/sha256/abc"), std::string()})
            CHECK_FALSE(lade::oci::layout::find_blob(bad));
        lade::oci::check_layout(R"({"imageLayoutVersion":"1.0.0","more":1})");
        CHECK(kind_of([] { lade::oci::check_layout(R"({"imageLayoutVersion":"1.0.1"})"); }) ==
              ErrorKind::unimplemented);
        for (const char* bad : {"", "[]", "{}", R"({"imageLayoutVersion":1})"})
            CHECK(kind_of([&] { lade::oci::check_layout(bad); }) == ErrorKind::invalid_argument);
    }

    TEST_CASE("layout: the names of its images") {
        const lade::oci::NamingRules day{.prefix = "import-2026-11-22"};
        CHECK(names_of(image("docker.io/library/a:1", "1"), day) == Names{"docker.io/library/a:1"});
        CHECK(names_of(image("", "latest"), day) == Names{"docker.io/library/import-2026-11-22:latest"});
        CHECK(names_of(image("", "host:5000/a:2"), day) == Names{"host:5000/a:2"});
        CHECK(names_of(image("", ""), day).empty());

        lade::oci::NamingRules base{.prefix = "host/foo", .others = false};
        CHECK(names_of(image("", "1"), base) == Names{"docker.io/host/foo:1"});
        CHECK(names_of(image("", "host/foo:2"), base) == Names{"docker.io/host/foo:2"});
        CHECK(names_of(image("", "host/foo/bar:2"), base) == Names{"docker.io/host/foo/bar:2"});
        CHECK(names_of(image("", "host/food:2"), base).empty());
        CHECK(names_of(image("other/a:1", "1"), base) == Names{"docker.io/other/a:1"});

        base.digests = true;
        CHECK(names_of(image("", ""), base) == Names{cat("docker.io/host/foo@", digest)});
        CHECK(names_of(image("", "1"), base) == Names{"docker.io/host/foo:1", cat("docker.io/host/foo@", digest)});
        CHECK(names_of(image("", cat("host/foo@", digest)), base) == Names{cat("docker.io/host/foo@", digest)});
        base.digests_of_unnamed = true;
        CHECK(names_of(image("", "1"), base) == Names{"docker.io/host/foo:1"});
        CHECK(names_of(image("", ""), base) == Names{cat("docker.io/host/foo@", digest)});
        CHECK(kind_of([&] { names_of(image("A B", ""), day); }) == ErrorKind::invalid_argument);
    }
}
