// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <tuple>

#include "archive/pax.hpp"
#include "archive/tar_writer.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::archive;

namespace {

std::string written(const Entry& entry, const std::string& data = "") {
    StringSink sink(1U << 24U, "tar");
    TarWriter writer(sink);
    Entry sized = entry;
    sized.size = data.size();
    writer.begin(sized);
    writer.write(as_bytes(data));
    writer.finish();
    return sink.take();
}

Entry read_back(const std::string& tar, std::string* data = nullptr) {
    StringSource source(tar);
    TarReader reader(source);
    Entry entry = reader.next().value();
    for (auto part = reader.data(); !part.empty(); part = reader.data())
        if (data != nullptr)
            data->append(as_text(part));
    CHECK_FALSE(reader.next());
    return entry;
}

auto facts(const Entry& entry) {
    return std::tuple(entry.type, entry.name, entry.link, entry.mode, entry.uid, entry.gid, entry.major, entry.minor,
                      entry.mtime.seconds, entry.mtime.nanoseconds, entry.xattrs);
}

// As little as a header and the two blocks at the end can be.
constexpr std::size_t smallest = 3 * 512;

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("an entry that fits into a header is one") {
        const Entry entry{.type = EntryType::file,
                          .name = "etc/passwd",
                          .mode = 06755,
                          .uid = 07777777,
                          .gid = 12,
                          .mtime = {.seconds = 077777777777, .nanoseconds = 0}};
        const std::string tar = written(entry, "text");
        CHECK(tar.size() == smallest + 512);
        CHECK(tar.substr(0, 11) == std::string("etc/passwd\0", 11));
        CHECK(tar.substr(100, 56) == std::string("0006755\0"
                                                 "7777777\0"
                                                 "0000014\0"
                                                 "00000000004\0"
                                                 "77777777777\0",
                                                 48) +
                                         tar.substr(148, 8));
        CHECK(tar.substr(257, 8) == std::string("ustar\00000", 8));
        std::string data;
        CHECK(facts(read_back(tar, &data)) == facts(entry));
        CHECK(data == "text");
    }

    TEST_CASE("every kind of entry comes back as it was") {
        const std::vector<Entry> entries{
            {.type = EntryType::directory, .name = "d/", .mode = 01777},
            {.type = EntryType::symlink, .name = "s", .link = "../\xff\n there", .mode = 0777},
            {.type = EntryType::hard_link, .name = "h", .link = "d/f", .mode = 0600},
            {.type = EntryType::char_device, .name = "c", .mode = 0620, .major = 4095, .minor = 1048575},
            {.type = EntryType::block_device, .name = "b", .mode = 0660, .major = 8, .minor = 1},
            {.type = EntryType::fifo, .name = "p", .mode = 0644},
            {.type = EntryType::file, .name = "", .mode = 0644},
            {.type = EntryType::file, .name = "bytes \x01\x80\xfe", .mode = 0644},
        };
        for (const Entry& entry : entries) {
            const std::string tar = written(entry);
            CHECK(tar.size() == smallest);
            CHECK(facts(read_back(tar)) == facts(entry));
        }
        CHECK(read_back(written({.type = EntryType::directory, .name = "without"})).name == "without/");
    }

    TEST_CASE("what does not fit stands in extended records") {
        const std::string part(99, 'x');
        struct Case {
            std::string what;
            Entry entry;
            const char* record;
        };
        const std::vector<Case> cases{
            {"uid", {.name = "f", .uid = 010000000}, "uid=2097152\n"},
            {"gid", {.name = "f", .gid = 4'294'967'294}, "gid=4294967294\n"},
            {"a link", {.type = EntryType::symlink, .name = "f", .link = std::string(101, 'l')}, "linkpath=lll"},
            {"a name without a slash", {.name = std::string(101, 'n')}, "path=nnn"},
            {"a name of many parts", {.name = part + "/" + part + "/" + part}, "path=xxx"},
            {"a last part that is too long", {.name = "d/" + std::string(101, 'n')}, "path=d/n"},
            {"nanoseconds", {.name = "f", .mtime = {.seconds = 1, .nanoseconds = 20}}, "mtime=1.00000002\n"},
            {"a late time", {.name = "f", .mtime = {.seconds = 0100000000000, .nanoseconds = 0}}, "mtime=8589934592\n"},
            {"an xattr",
             {.name = "f", .xattrs = {{"user.a", std::string("\0=\n\xff", 4)}, {"user.none", ""}}},
             "SCHILY.xattr.user.a="},
        };
        for (const Case& one : cases) {
            INFO(one.what);
            const std::string tar = written(one.entry, one.entry.type == EntryType::file ? "data" : "");
            CHECK(tar[156] == 'x');
            CHECK(tar.find(one.record) != std::string::npos);
            CHECK(facts(read_back(tar)) == facts(one.entry));
            CHECK(tar == written(one.entry, one.entry.type == EntryType::file ? "data" : ""));
        }
    }

    TEST_CASE("a long name is cut at a slash where the header can take it") {
        const std::string hundred(100, 'b');
        for (const std::string& name :
             {"a/" + hundred, std::string(155, 'a') + "/" + hundred, std::string(98, 'a') + "/bc/d", hundred}) {
            const std::string tar = written({.name = name});
            CHECK(tar.size() == smallest);
            CHECK(read_back(tar).name == name);
        }
        const std::string directory = std::string(99, 'a') + "/";
        CHECK(written({.type = EntryType::directory, .name = directory}).size() == smallest);
        CHECK(written({.name = std::string(156, 'a') + "/b"}).size() > smallest);
        CHECK(written({.type = EntryType::directory, .name = hundred}).size() > smallest);
    }

    TEST_CASE("sizes beyond eight gigabytes") {
        class Counting final : public Sink {
        public:
            void write(std::span<const std::byte> bytes) override {
                if (head.size() < 4096)
                    head.append(as_text(bytes));
                count += bytes.size();
            }
            std::string head;
            std::uint64_t count = 0;
        } sink;
        TarWriter writer(sink);
        constexpr std::uint64_t size = (std::uint64_t{1} << 33U) + 1;
        writer.begin({.name = "f", .size = size});
        writer.write_zeros(size);
        writer.finish();
        CHECK(sink.head.find("size=8589934593\n") != std::string::npos);
        CHECK(sink.count == 2 * 512 + 512 + size + 511 + 1024);
    }

    TEST_CASE("times before the epoch, and their fractions") {
        CHECK(format_pax_time({.seconds = 0, .nanoseconds = 0}) == "0");
        CHECK(format_pax_time({.seconds = 7, .nanoseconds = 500'000'000}) == "7.5");
        CHECK(format_pax_time({.seconds = -1, .nanoseconds = 0}) == "-1");
        CHECK(format_pax_time({.seconds = -1, .nanoseconds = 500'000'000}) == "-0.5");
        CHECK(format_pax_time({.seconds = -2, .nanoseconds = 999'999'999}) == "-1.000000001");
        const std::string tar = written({.name = "f", .mtime = {.seconds = -2, .nanoseconds = 500'000'000}});
        CHECK(tar.find("mtime=-1.5\n") != std::string::npos);
    }

    TEST_CASE("record lengths that change their own digits") {
        for (std::size_t size = 1; size < 1100; ++size) {
            const std::string value(size, 'v');
            CHECK(parse_pax(format_pax({{"k", value}})).values.at("k") == value);
        }
    }

    TEST_CASE("what no reader takes is refused") {
        CHECK(test::kind_of([] { written({.name = std::string(std::size_t{1} << 20U, 'x')}); }) ==
              ErrorKind::failed_precondition);
        CHECK_FALSE(TarWriter::has_room("user.a=b"));
        CHECK(read_back(written({.name = "f", .xattrs = {{"user.a=b", "c"}}})).xattrs.empty());
    }

    TEST_CASE("an entry has the data that it says, not more and not less") {
        StringSink sink(1 << 20, "tar");
        TarWriter writer(sink);
        writer.begin({.name = "f", .size = 2});
        CHECK(test::kind_of([&] { writer.write(as_bytes("abc")); }) == ErrorKind::internal);
        writer.write(as_bytes("a"));
        CHECK(test::kind_of([&] { writer.finish(); }) == ErrorKind::internal);
    }
}
