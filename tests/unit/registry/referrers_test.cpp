// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry/account.hpp"
#include "registry/referrers.hpp"

using lade::registry::Response;

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string next(const Headers& headers) {
    return lade::registry::next_page(Response{.status = 200, .headers = headers}).value_or("-");
}

std::string limit(const Headers& headers) {
    return lade::registry::rate_limit_text(Response{.status = 200, .headers = headers});
}

} // namespace

TEST_SUITE("registry") {
    TEST_CASE("referrers: the next page in its spellings") {
        CHECK(next({}) == "-");
        CHECK(next({{"link", R"(</a?b=c>; rel="next")"}}) == "/a?b=c");
        CHECK(next({{"link", "</a>;rel=next"}}) == "/a");
        CHECK(next({{"link", R"(</a>; title="x, y; z"; REL="prev NEXT")"}}) == "/a");
        CHECK(next({{"link", R"(</a,b>; rel="prev", </c>; rel="next")"}}) == "/c");
        CHECK(next({{"link", R"(</a>; rel="prev")"}, {"link", R"(</b>; rel="next")"}}) == "/b");
        for (const char* none : {"", "/a; rel=next", "</a", "</a>", "</a>; rel=nexts", "</a>; rel", "</a>; rel=\"",
                                 "</a>; title=\"; rel=next\""})
            CHECK_MESSAGE(next({{"link", none}}) == "-", none);
    }

    TEST_CASE("account: rate limits in their spellings") {
        CHECK(limit({}).empty());
        CHECK(limit({{"docker-ratelimit-source", "192.0.2.1"}}).empty());
        CHECK(limit({{"ratelimit-limit", "100;w=21600"},
                     {"ratelimit-remaining", "76;w=21600"},
                     {"docker-ratelimit-source", "192.0.2.1"}}) == "76 of 100 left per 6h, counted for 192.0.2.1");
        CHECK(limit({{"ratelimit-remaining", "5;w=90"}}) == "5 of ? left per 90s");
        CHECK(limit({{"x-ratelimit-limit", "60"}, {"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "30"}}) ==
              "0 of 60 left, reset 30");
        CHECK(limit({{"ratelimit", "limit=10, remaining=5, reset=60"}}) == "limit=10, remaining=5, reset=60");
        CHECK(limit({{"ratelimit-limit", "\x1b[31m9;w=x"}}) == "? of \\x1b[31m9 left");
    }
}
