// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/size.hpp"
#include "base/text.hpp"

using namespace lade;
using namespace std::chrono_literals;

TEST_SUITE("base") {
    TEST_CASE("times are RFC 3339 in UTC and come back") {
        const Time time = Time(1'700'000'000'123'456'789ns);
        CHECK(rfc3339(time) == "2023-11-14T22:13:20.123456789Z");
        CHECK(parse_rfc3339(rfc3339(time)) == time);
        CHECK(rfc3339(Time(1'700'000'000s)) == "2023-11-14T22:13:20Z");
        CHECK(parse_rfc3339("2023-11-15T00:13:20+02:00") == Time(1'700'000'000s));
        for (const char* bad : {"", "2023-11-14", "2023-13-14T22:13:20Z", "2023-11-14T22:13:20", "2023-11-14T25:13:20Z",
                                "2023-02-30T00:00:00Z"})
            CHECK_FALSE(parse_rfc3339(bad));
        CHECK(parse_rfc3339("9999-12-31T23:59:59Z") == Time::max());
        CHECK(parse_rfc3339("2262-04-12T00:00:00Z") == Time::max());
        CHECK(parse_rfc3339("0001-01-01T00:00:00Z") == Time::min());
        CHECK(parse_rfc3339(rfc3339(Time::max())) == Time::max());
    }

    TEST_CASE("sizes are those of ctr") {
        CHECK(kib_size(0) == "0.0 B");
        CHECK(kib_size(1945) == "1.9 KiB");
        CHECK(kib_size(std::uint64_t{3} << 30U) == "3.0 GiB");
        CHECK(si_size(1862) == "1.862kB");
        CHECK(si_size(999) == "999B");
    }

    TEST_CASE("sizes are read as they are printed, and as people write them") {
        CHECK(parse_size("0") == 0);
        CHECK(parse_size("512") == 512);
        CHECK(parse_size("512B") == 512);
        CHECK(parse_size("10MB") == 10'000'000);
        CHECK(parse_size("10MiB") == 10 * mib);
        CHECK(parse_size("10 mib") == 10 * mib);
        CHECK(parse_size("1.5GB") == 1'500'000'000);
        CHECK(parse_size("1.862kB") == 1862);
        CHECK(parse_size("1.9 KiB") == 1946);
        CHECK(parse_size("3.0 TiB") == 3 * mib * mib);
        CHECK(parse_size("15EiB") == std::uint64_t{15} << 60U);
        CHECK(parse_size("18446744073709551615") == UINT64_MAX);
        for (const char* bad : {"", "B", "MB", ".5MB", "5.", "1.2.3", "-1", "+1", "1e3", "10X", "10M", "10MiBs", "10ib",
                                "16EiB", "18446744073709551616", "0x10", "1,5MB", "1 000", " 1"})
            CHECK_FALSE_MESSAGE(parse_size(bad), bad);
    }

    TEST_CASE("ages are those of ctr") {
        CHECK(age(0s) == "Less than a second");
        CHECK(age(1s) == "1 second");
        CHECK(age(59s) == "59 seconds");
        CHECK(age(90s) == "About a minute");
        CHECK(age(59min) == "59 minutes");
        CHECK(age(70min) == "About an hour");
        CHECK(age(47h) == "47 hours");
        CHECK(age(48h) == "2 days");
        CHECK(age(24h * 14) == "2 weeks");
        CHECK(age(24h * 60) == "2 months");
        CHECK(age(24h * 365 * 2) == "2 years");
    }

    TEST_CASE("durations are Go's") {
        CHECK(parse_duration("24h") == 24h);
        CHECK(parse_duration("1h30m") == 90min);
        CHECK(parse_duration("1.5s") == 1500ms);
        CHECK(parse_duration("0") == 0ns);
        for (const char* bad : {"", "5", "h", "-1h", "5 m", "1x"})
            CHECK_FALSE(parse_duration(bad));
    }

    TEST_CASE("foreign bytes are shown harmlessly") {
        CHECK(printable("plain ünïcode") == "plain ünïcode");
        CHECK(printable("a\x1b[31mb\n") == "a\\x1b[31mb\\x0a");
        CHECK(printable("\xff\xfe") == "\\xff\\xfe");
        CHECK(printable("a\u202eb") == "a\\xe2\\x80\\xaeb");
        CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");
        CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
    }

    TEST_CASE("numbers are whole and nothing else") {
        CHECK(parse_number("18446744073709551615") == UINT64_MAX);
        for (const char* bad : {"", "-1", "+1", "1 ", "0x1", "18446744073709551616"})
            CHECK_FALSE(parse_number(bad));
    }
}
