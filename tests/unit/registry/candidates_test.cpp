// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "registry/candidates.hpp"

using namespace lade::registry;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_SUITE("registry") {
    TEST_CASE("the end of an upload may take longer than other replies, unless people say how long") {
        Options options;
        const Timeouts own = timeouts_of(options);
        CHECK(own.header == seconds(30));
        CHECK(own.completion == seconds(300));
        options.timeout = milliseconds(1500);
        options.stall_timeout = seconds(7);
        const Timeouts told = timeouts_of(options);
        CHECK(told.connect == milliseconds(1500));
        CHECK(told.header == milliseconds(1500));
        CHECK(told.completion == milliseconds(1500));
        CHECK(told.stall == seconds(7));
    }
}
