// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.hpp"
#include "oci/labels.hpp"

using lade::Error;
using lade::oci::Labels;
using lade::oci::parse_label;

TEST_SUITE("oci") {
    TEST_CASE("key and value together have at most 4096 bytes") {
        CHECK_NOTHROW(lade::oci::validate({{std::string(96, 'k'), std::string(4000, 'v')}}));
        try {
            lade::oci::validate({{std::string(97, 'k'), std::string(4000, 'v')}});
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.kind() == lade::ErrorKind::invalid_argument);
            CHECK(error.message().find(std::string(64, 'k') + '"') != std::string::npos);
            CHECK(error.message().find(std::string(65, 'k')) == std::string::npos);
        }
    }

    TEST_CASE("an empty value removes its key") {
        Labels labels{{"a", "1"}, {"b", "2"}};
        lade::oci::merge(labels, {{"a", ""}, {"b", "3"}, {"c", "4"}, {"d", ""}});
        CHECK(labels == Labels{{"b", "3"}, {"c", "4"}});
    }

    TEST_CASE("labels as they are typed") {
        CHECK(parse_label("a=b=c") == std::pair<std::string, std::string>("a", "b=c"));
        CHECK(parse_label("a") == std::pair<std::string, std::string>("a", "true"));
        CHECK(parse_label("a=") == std::pair<std::string, std::string>("a", ""));
        CHECK_THROWS_AS(parse_label("=b"), Error);
        CHECK_THROWS_AS(parse_label(""), Error);
    }

    TEST_CASE("identifiers") {
        for (const std::string& good :
             {std::string("default"), std::string("k8s.io"), std::string("a-b_c.d"), std::string(76, 'a')})
            CHECK_NOTHROW(lade::oci::validate_identifier("namespace", good));
        for (const std::string& bad :
             {std::string(), std::string("a..b"), std::string("-a"), std::string("a."), std::string("a/b"),
              std::string("a b"), std::string("."), std::string("\xc3\xa4"), std::string(77, 'a')}) {
            INFO(bad);
            CHECK_THROWS_AS(lade::oci::validate_identifier("namespace", bad), Error);
        }
    }
}
