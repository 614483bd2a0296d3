// SPDX-License-Identifier: Apache-2.0
// containerd's own content suite and the extra cases of its local and metadata stores (containerd-store.md 4.4, 2.11),
// under the names they have there. Each runs for both sharing policies where it applies to both.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <random>
#include <set>

#include "base/error.hpp"
#include "base/size.hpp"
#include "meta/namespaces.hpp"
#include "store/blobs.hpp"
#include "store/namespaces.hpp"
#include "store/settings.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;

namespace {

struct SharedPolicy {
    static constexpr std::string_view name = "shared";
};
struct IsolatedPolicy {
    static constexpr std::string_view name = "isolated";
};

std::string random_bytes(std::size_t size, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::string text(size, '\0');
    for (char& c : text)
        c = static_cast<char>(generator());
    return text;
}

struct Place {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};
    Blobs blobs{store, "ns1"};
    LeaseHold lease{store, "ns1"};

    explicit Place(std::string_view policy) { set_setting(store, get_setting("content-sharing"), policy); }

    BlobWriter open(const std::string& ref, const std::optional<oci::Digest>& digest = {}, std::uint64_t size = 0) {
        return blobs.writer({.ref = ref, .digest = digest, .size = size}, lease, {});
    }
    oci::Digest put(const std::string& ref, const std::string& text) {
        BlobWriter writer = open(ref);
        writer.write(as_bytes(text));
        return writer.commit({});
    }
    bool leased(const std::string& id, const std::string& type, const std::string& key) {
        return store.database()
            .query("SELECT 1 FROM lease_resources r JOIN leases l ON l.id = r.lease WHERE l.name = ? AND r.type = ? "
                   "AND r.key = ?",
                   id, type, key)
            .next();
    }
};

template <typename Work>
void fails(ErrorKind kind, Work work) {
    try {
        work();
    } catch (const Error& error) {
        CHECK_MESSAGE(error.kind() == kind, error.message());
        return;
    }
    FAIL_CHECK("no error of kind ", std::string(to_string(kind)));
}

void write_in_pieces(BlobWriter& writer, std::string_view text, std::size_t piece) {
    for (std::size_t at = 0; at < text.size(); at += piece)
        writer.write(as_bytes(text.substr(at, piece)));
}

std::string stored(Blobs& blobs, const oci::Digest& digest) {
    return read_text(blobs.open(digest).get(), 64 * mib, "blob");
}

void check_info(Blobs& blobs, const std::string& text, const oci::Labels& labels, Time before, Time after) {
    const Blob info = blobs.get(oci::Digest::of(text));
    CHECK(info.size == text.size());
    CHECK(info.labels == labels);
    CHECK(info.created >= before);
    CHECK(info.created <= after);
    CHECK(info.updated >= before);
    CHECK(info.updated <= after);
    CHECK(stored(blobs, info.digest) == text);
}

} // namespace

TEST_SUITE("content suite") {
    TEST_CASE_TEMPLATE("Writer", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const std::vector<std::string> texts{random_bytes(256, 1), random_bytes(257, 2), random_bytes(255, 3),
                                             random_bytes(1000, 4), random_bytes(32 * mib, 5)};
        std::vector<BlobWriter> writers;
        writers.push_back(place.open("c1"));
        writers.push_back(place.open("c2", {}, texts[1].size()));
        writers.push_back(place.open("c3", oci::Digest::of(texts[2])));
        writers.push_back(place.open("c4", oci::Digest::of(texts[3]), texts[3].size()));
        writers.push_back(place.open("c5", oci::Digest::of(texts[4]), texts[4].size()));
        CHECK(place.blobs.active().size() == 5);
        const oci::Labels labels{{"k1", "v1"}, {"k2", "v2"}};
        for (std::size_t i = 0; i < texts.size(); ++i) {
            write_in_pieces(writers[i], texts[i], 32);
            CHECK(writers[i].digest() == oci::Digest::of(texts[i]));
            const Time before = now();
            CHECK(writers[i].commit({.labels = labels}) == oci::Digest::of(texts[i]));
            check_info(place.blobs, texts[i], labels, before, now());
        }
        CHECK(place.blobs.active().empty());
    }

    TEST_CASE_TEMPLATE("UpdateStatus", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const std::string text = random_bytes(256, 1);
        const Time opened = now();
        BlobWriter writer = place.open("c1", oci::Digest::of(text), text.size());
        IngestStatus first = writer.status();
        CHECK(first.ref == "c1");
        CHECK(first.offset == 0);
        CHECK(first.total == 256);
        CHECK(first.started >= opened);
        CHECK(first.started <= now());
        CHECK(writer.digest() == oci::Digest::of(""));
        std::size_t at = 0;
        for (const std::size_t end : {64U, 192U, 256U}) {
            const Time before = now();
            writer.write(as_bytes(std::string_view(text).substr(at, end - at)));
            at = end;
            const IngestStatus status = writer.status();
            CHECK(status.offset == end);
            CHECK(status.total == 256);
            CHECK(status.started == first.started);
            CHECK(status.updated >= before);
            CHECK(status.updated <= now());
            CHECK(writer.digest() == oci::Digest::of(text.substr(0, end)));
            CHECK(place.blobs.status("c1").offset == end);
            CHECK(place.blobs.status("c1").started == first.started);
        }
        const Time before = now();
        writer.commit({});
        check_info(place.blobs, text, {}, before, now());
        fails(ErrorKind::not_found, [&] { place.blobs.status("c1"); });
    }

    TEST_CASE_TEMPLATE("CommitExists", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const std::string text = random_bytes(256, 1);
        const oci::Digest digest = place.put("c1", text);
        for (const std::optional<oci::Digest>& expected : {std::optional<oci::Digest>(), std::optional(digest)}) {
            BlobWriter writer = place.open(expected ? "c2" : "c3");
            writer.write(as_bytes(text));
            fails(ErrorKind::already_exists, [&] { writer.commit({.size = text.size(), .digest = expected}); });
        }
        CHECK(place.blobs.active().empty());
        CHECK(place.blobs.list().size() == 1);
    }

    TEST_CASE_TEMPLATE("Resume", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const std::string text = random_bytes(5000, 1);
        IngestStatus before;
        {
            BlobWriter writer = place.open("c1", oci::Digest::of(text), text.size());
            writer.write(as_bytes(std::string_view(text).substr(0, 2500)));
            before = writer.status();
            writer.close();
            fails(ErrorKind::failed_precondition, [&] { writer.write(as_bytes("x")); });
        }
        BlobWriter writer = place.open("c1", oci::Digest::of(text), text.size());
        const IngestStatus after = writer.status();
        CHECK(after.offset == 2500);
        CHECK(after.total == before.total);
        CHECK(after.started == before.started);
        CHECK(after.updated == before.updated);
        CHECK(writer.digest() == oci::Digest::of(text.substr(0, 2500)));
        writer.write(as_bytes(std::string_view(text).substr(2500)));
        const Time committed = now();
        writer.commit({.size = text.size(), .digest = oci::Digest::of(text)});
        check_info(place.blobs, text, {}, committed, now());
    }

    // ResumeCopySeeker and ResumeCopyReaderAt differ from ResumeCopy in Go by what the reader can do: be asked to begin
    // at the offset, or to read at any place. Here that is the caller's business: both write what lies behind the
    // offset. A plain reader begins at its start, and what was written before is compared.
    TEST_CASE_TEMPLATE("ResumeTruncate, ResumeDiscard, ResumeCopy, ResumeCopySeeker, ResumeCopyReaderAt", Policy,
                       SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const std::vector<std::function<void(BlobWriter&, const std::string&)>> ways{
            [](BlobWriter& writer, const std::string& text) { // Truncate
                writer.truncate(0);
                CHECK(writer.offset() == 0);
                CHECK(writer.digest() == oci::Digest::of(""));
                writer.write(as_bytes(text));
            },
            [](BlobWriter& writer, const std::string& text) { // Discard
                writer.write(as_bytes(std::string_view(text).substr(writer.offset())));
            },
            [](BlobWriter& writer, const std::string& text) { // Copy
                StringSource source(text);
                writer.write_all_of(source);
            },
            [](BlobWriter& writer, const std::string& text) { // CopySeeker
                StringSource source(std::string_view(text).substr(writer.offset()));
                copy(source, writer);
            },
            [](BlobWriter& writer, const std::string& text) { // CopyReaderAt
                while (writer.offset() < text.size())
                    writer.write(as_bytes(std::string_view(text).substr(writer.offset(), 333)));
            }};
        unsigned seed = 1;
        for (std::size_t way = 0; way < ways.size(); ++way)
            for (const std::size_t size : {500U, 5000U, 50000U})
                for (const std::size_t percent : {0U, 10U, 50U, 90U, 100U}) {
                    INFO("way ", way, ", size ", size, ", ", percent, " %");
                    const std::string text = random_bytes(size, ++seed);
                    const std::size_t prefix = size * percent / 100;
                    const std::string ref = cat("c-", seed);
                    {
                        BlobWriter writer = place.open(ref, {}, size);
                        writer.write(as_bytes(std::string_view(text).substr(0, prefix)));
                    }
                    BlobWriter writer = place.open(ref, oci::Digest::of(text), size);
                    CHECK(writer.offset() == prefix);
                    ways[way](writer, text);
                    const Time before = now();
                    writer.commit({.size = size, .digest = oci::Digest::of(text)});
                    check_info(place.blobs, text, {}, before, now());
                }
    }

    TEST_CASE_TEMPLATE("SmallBlob", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const Fd file = place.blobs.open(place.put("c1", "foobar"));
        std::array<std::byte, 7> section{};
        CHECK(read_some_at(file.get(), section, 0, "blob") == 6);
        CHECK(as_text(std::span(section).first(6)) == "foobar");
        CHECK(read_some_at(file.get(), section, 6, "blob") == 0);
    }

    TEST_CASE_TEMPLATE("Labels", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        BlobWriter writer = place.open("c1");
        writer.write(as_bytes("text"));
        const oci::Digest digest = writer.commit({.labels = {{"k1", "v1"}, {"k2", "v2"}}});
        const Blob first = place.blobs.get(digest);
        CHECK(first.labels == oci::Labels{{"k1", "v1"}, {"k2", "v2"}});

        const oci::Labels all{{"k1", "v1"}, {"k2", "v2-new"}, {"k3", "v3"}, {"k4", "v4"}, {"k5", ""}};
        const Blob second = place.blobs.update(digest, all);
        CHECK(second.labels == oci::Labels{{"k1", "v1"}, {"k2", "v2-new"}, {"k3", "v3"}, {"k4", "v4"}});
        CHECK(second.created == first.created);
        CHECK(second.updated > first.updated);

        const Blob third =
            place.blobs.update(digest, {{"k1", "v1-new"}, {"k2", "not asked for"}}, {"labels.k3", "labels.k1"});
        CHECK(third.labels == oci::Labels{{"k1", "v1-new"}, {"k2", "v2-new"}, {"k4", "v4"}});
        CHECK(third.created == first.created);
        CHECK(third.updated > second.updated);
        CHECK(place.blobs.get(digest).updated == third.updated);

        CHECK(place.blobs.update(digest, {{"a", "b"}}, {"labels"}).labels == oci::Labels{{"a", "b"}});
        // All that follows the first dot is the key.
        CHECK(place.blobs.update(digest, {{"a.b", "c"}}, {"labels.a.b"}).labels ==
              oci::Labels{{"a", "b"}, {"a.b", "c"}});
        for (const char* path : {"size", "labels.", "label", "digest", ""})
            fails(ErrorKind::invalid_argument, [&] { place.blobs.update(digest, {}, {path}); });
        fails(ErrorKind::invalid_argument, [&] { place.blobs.update(digest, {{"k", std::string(4096, 'v')}}); });
        CHECK(place.blobs.get(digest).labels == oci::Labels{{"a", "b"}, {"a.b", "c"}});
        fails(ErrorKind::not_found, [&] { place.blobs.update(oci::Digest::of("absent"), {}); });
    }

    TEST_CASE_TEMPLATE("CommitErrorState", Policy, SharedPolicy, IsolatedPolicy) {
        Place place(Policy::name);
        const std::string text = random_bytes(256, 1);
        const oci::Digest digest = oci::Digest::of(text);
        const std::string ref = "c1";
        const std::string old = random_bytes(256, 2);
        place.put(ref, old);
        {
            BlobWriter writer = place.open(ref);
            fails(ErrorKind::unavailable, [&] { place.open(ref); });
            writer.write(as_bytes(old));
            fails(ErrorKind::already_exists, [&] { writer.commit({}); });
        }
        {
            BlobWriter writer = place.open(ref);
            writer.write(as_bytes(old));
            fails(ErrorKind::already_exists,
                  [&] { writer.commit({.size = old.size(), .digest = oci::Digest::of(old)}); });
            fails(ErrorKind::failed_precondition, [&] { writer.commit({}); });
        }
        {
            BlobWriter writer = place.open(ref);
            CHECK(writer.offset() == 0);
            writer.write(as_bytes(text));
            fails(ErrorKind::failed_precondition, [&] { writer.commit({.digest = oci::Digest::of("other")}); });
        }
        {
            BlobWriter writer = place.open(ref);
            CHECK(writer.offset() == text.size());
            fails(ErrorKind::failed_precondition, [&] { writer.commit({.size = 100, .digest = digest}); });
        }
        {
            BlobWriter writer = place.open(ref);
            fails(ErrorKind::invalid_argument, [&] { writer.commit({.labels = {{"k", std::string(4096, 'v')}}}); });
            fails(ErrorKind::failed_precondition, [&] { writer.commit({}); });
        }
        {
            BlobWriter writer = place.open(ref);
            CHECK(writer.commit({.size = text.size(), .digest = digest}) == digest);
        }
        fails(ErrorKind::already_exists, [&] { place.open(ref, digest, text.size()); });
        {
            BlobWriter writer = place.open(ref);
            writer.write(as_bytes("x"));
            writer.truncate(0);
            CHECK(writer.offset() == 0);
        }
        CHECK(place.open(ref).offset() == 0);
        CHECK(stored(place.blobs, digest) == text);
    }

    TEST_CASE("CrossNamespaceShare") {
        Place place("shared");
        const std::string text = random_bytes(1000, 1);
        const oci::Digest digest = place.put("c1", text);
        Blobs other(place.store, "ns2");
        LeaseHold lease(place.store, "ns2");
        fails(ErrorKind::not_found, [&] { other.get(digest); });
        fails(ErrorKind::not_found, [&] { other.open(digest); });
        for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{text.size()}}) {
            BlobWriter writer = other.writer({.ref = "c2", .digest = digest, .size = size}, lease, {});
            CHECK(writer.status().offset == text.size());
            CHECK(writer.status().total == text.size());
            CHECK(writer.status().ref == "c2");
            CHECK(writer.digest() == digest);
        }
        {
            BlobWriter writer = other.writer({.ref = "c2", .digest = digest}, lease, {});
            fails(ErrorKind::failed_precondition, [&] { writer.commit({.size = 7}); });
        }
        {
            BlobWriter writer = other.writer({.ref = "c2", .digest = digest}, lease, {});
            fails(ErrorKind::failed_precondition, [&] { writer.commit({.digest = oci::Digest::of("x")}); });
        }
        BlobWriter writer = other.writer({.ref = "c2", .digest = digest, .size = text.size()}, lease, {});
        const Time before = now();
        writer.commit({.size = text.size(), .digest = digest, .labels = {{"k", "v"}}});
        check_info(other, text, {{"k", "v"}}, before, now());
        CHECK(place.blobs.get(digest).labels.empty());
        CHECK(other.active().empty());
        // Another size is an ordinary ingest.
        const oci::Digest second = place.put("c1", "second");
        CHECK(other.writer({.ref = "c3", .digest = second, .size = 7}, lease, {}).offset() == 0);
    }

    TEST_CASE("CrossNamespaceAppend") {
        Place place("shared");
        const std::string text = random_bytes(1000, 1);
        const std::string more = random_bytes(300, 2);
        const oci::Digest digest = place.put("c1", text);
        Blobs other(place.store, "ns2");
        LeaseHold lease(place.store, "ns2");
        SUBCASE("behind the whole") {
            BlobWriter writer = other.writer({.ref = "c2", .digest = digest, .size = text.size()}, lease, {});
            writer.write(as_bytes(more));
            CHECK(writer.offset() == 1300);
            const Time before = now();
            writer.commit({.size = 1300, .digest = oci::Digest::of(text + more)});
            check_info(other, text + more, {}, before, now());
        }
        SUBCASE("behind a part") {
            BlobWriter writer = other.writer({.ref = "c2", .digest = digest, .size = text.size()}, lease, {});
            fails(ErrorKind::invalid_argument, [&] { writer.truncate(1001); });
            writer.truncate(600);
            CHECK(writer.offset() == 600);
            writer.write(as_bytes(more));
            CHECK(writer.commit({}) == oci::Digest::of(text.substr(0, 600) + more));
        }
        SUBCASE("a source that begins with it") {
            BlobWriter writer = other.writer({.ref = "c2", .digest = digest}, lease, {});
            StringSource source(text);
            writer.write_all_of(source);
            CHECK(writer.is_shared());
            const std::string longer = text + more;
            StringSource longer_source(longer);
            writer.write_all_of(longer_source);
            CHECK_FALSE(writer.is_shared());
            CHECK(writer.commit({}) == oci::Digest::of(longer));
        }
        fails(ErrorKind::not_found, [&] { other.get(digest); });
        CHECK(stored(place.blobs, digest) == text);
        CHECK(place.blobs.list().size() == 1);
        CHECK(other.list().size() == 1);
    }

    TEST_CASE("CrossNamespaceIsolate") {
        Place place("isolated");
        const std::string text = random_bytes(1000, 1);
        const oci::Digest digest = place.put("c1", text);
        Blobs other(place.store, "ns2");
        LeaseHold lease(place.store, "ns2");
        CHECK_FALSE(other.adopt({.media_type = "t", .digest = digest, .size = 1000}, {}, lease, {}));
        const Time before = now();
        BlobWriter writer = other.writer({.ref = "c2", .digest = digest, .size = text.size()}, lease, {});
        CHECK(writer.offset() == 0);
        CHECK(writer.digest() == oci::Digest::of(""));
        CHECK(writer.status().started >= before);
        CHECK(writer.status().started <= now());
        // Who presents the bytes has the blob, and the file is one.
        struct stat one {};
        struct stat same {};
        REQUIRE(::fstat(place.blobs.open(digest).get(), &one) == 0);
        writer.write(as_bytes(text));
        CHECK(writer.commit({.size = text.size(), .digest = digest}) == digest);
        CHECK(stored(other, digest) == text);
        REQUIRE(::fstat(other.open(digest).get(), &same) == 0);
        CHECK(one.st_ino == same.st_ino);
        // What one has, one may have.
        CHECK(other.adopt({.media_type = "t", .digest = digest, .size = 1000}, {}, lease, {}));
    }

    TEST_CASE("SharedNamespaceIsolate") {
        Place place("isolated");
        const std::string text = random_bytes(1000, 1);
        const oci::Digest digest = place.put("c1", text);
        Namespaces(place.store).label("ns1", {{"containerd.io/namespace.shareable", "yes"}});
        Blobs other(place.store, "ns2");
        LeaseHold lease(place.store, "ns2");
        CHECK(other.writer({.ref = "c2", .digest = digest}, lease, {}).offset() == 0);
        Namespaces(place.store).label("ns1", {{"containerd.io/namespace.shareable", "true"}});
        BlobWriter writer = other.writer({.ref = "c2", .digest = digest, .size = text.size()}, lease, {});
        CHECK(writer.offset() == text.size());
        CHECK(writer.status().total == text.size());
        CHECK(writer.digest() == digest);
        writer.commit({.size = text.size(), .digest = digest});
        CHECK(stored(other, digest) == text);
        CHECK(stored(place.blobs, digest) == text);
    }
}

TEST_SUITE("local content store") {
    TEST_CASE("a second writer of an open ref is refused, and the status shows the first") {
        Place place("shared");
        BlobWriter writer = place.open("myref");
        fails(ErrorKind::unavailable, [&] { place.open("myref"); });
        writer.write(as_bytes("hello"));
        const auto all = place.blobs.active();
        REQUIRE(all.size() == 1);
        CHECK(all[0].ref == "myref");
        CHECK(all[0].offset == 5);
        CHECK(place.blobs.active(Filter::parse({"ref==myref"})).size() == 1);
        CHECK(place.blobs.active(Filter::parse({"ref~=other"})).empty());
        // Namespaces do not see each other's.
        Blobs other(place.store, "ns2");
        LeaseHold lease(place.store, "ns2");
        CHECK(other.active().empty());
        CHECK(other.writer({.ref = "myref"}, lease, {}).offset() == 0);
        fails(ErrorKind::invalid_argument, [&] { place.open(""); });
    }

    TEST_CASE("blobs of every algorithm by one writer, read-only in their places") {
        Place place("shared");
        for (const auto algorithm : {oci::Algorithm::sha256, oci::Algorithm::sha384, oci::Algorithm::sha512}) {
            oci::Hasher hasher(algorithm);
            hasher.update(as_bytes("hello"));
            const oci::Digest digest = hasher.finish();
            BlobWriter writer = place.open("r");
            writer.write(as_bytes("hello"));
            CHECK(writer.commit({.size = 5, .digest = digest}) == digest);
            struct stat st {};
            const std::string path = cat("store/content/blobs/", digest.algorithm_name(), '/', digest.hex());
            REQUIRE(::stat(place.dir.path(path).c_str(), &st) == 0);
            CHECK((st.st_mode & 07777U) == 0444);
            CHECK(stored(place.blobs, digest) == "hello");
        }
    }

    TEST_CASE("a walk sees 79 blobs of each of two algorithms") {
        Place place("shared");
        std::set<std::string> put;
        for (int i = 0; i < 79; ++i)
            for (const auto algorithm : {oci::Algorithm::sha256, oci::Algorithm::sha512}) {
                oci::Hasher hasher(algorithm);
                hasher.update(as_bytes(cat("blob ", i)));
                BlobWriter writer = place.open("r");
                writer.write(as_bytes(cat("blob ", i)));
                put.insert(writer.commit({.digest = hasher.finish(), .labels = {{"n", std::to_string(i)}}}).string());
            }
        std::vector<std::string> seen;
        for (const Blob& blob : place.blobs.list())
            seen.push_back(blob.digest.string());
        CHECK(seen == std::vector<std::string>(put.begin(), put.end()));
        CHECK(place.blobs.list(Filter::parse({"labels.n==7"})).size() == 2);
        CHECK(place.blobs.list(Filter::parse({"digest~=^sha512:"})).size() == 79);
    }

    TEST_CASE("truncating to nothing recovers an incomplete write") {
        Place place("shared");
        { place.open("r", {}, 10).write(as_bytes("wrong")); }
        BlobWriter writer = place.open("r", {}, 10);
        CHECK(writer.offset() == 5);
        writer.truncate(0);
        writer.write(as_bytes("0123456789"));
        CHECK(writer.commit({.size = 10}) == oci::Digest::of("0123456789"));
    }

    TEST_CASE("bytes that another source does not have are not kept") {
        Place place("shared");
        for (const std::string& before : std::vector<std::string>{"0123", "01x3", "0123456789abc"}) {
            { place.open("r").write(as_bytes(before)); }
            BlobWriter writer = place.open("r");
            CHECK(writer.offset() == before.size());
            const std::string text = "0123456789" + std::to_string(before.size()) + before;
            StringSource source(text);
            writer.write_all_of(source);
            CHECK(writer.commit({}) == oci::Digest::of(text));
        }
    }

    TEST_CASE("a stamp of time zero is read as it was written") {
        Place place("shared");
        { place.open("r").write(as_bytes("x")); }
        const std::string folder = place.dir.path("store/content/ingest/" + content::ingest_name("ns1/r"));
        write_all(open_at(AT_FDCWD, folder + "/startedat", O_WRONLY | O_TRUNC).get(), as_bytes(rfc3339(Time{})),
                  "stamp");
        CHECK(place.blobs.status("r").started == Time{});
        CHECK(place.open("r").status().started == Time{});
    }

    TEST_CASE("the store's directory is made when it is absent") {
        test::TemporaryDirectory dir;
        Store store(dir.path("a/b/c"), Sync::none);
        CHECK(std::filesystem::is_directory(dir.path("a/b/c/content/blobs/sha256")));
    }
}

TEST_SUITE("metadata content store") {
    TEST_CASE_TEMPLATE("content is leased when it is committed, and when a writer finds it", Policy, SharedPolicy,
                       IsolatedPolicy) {
        Place place(Policy::name);
        Leases(place.store, "ns1").create({.id = "lease-1", .owner_lock = {}, .labels = {}, .created = {}});
        Leases(place.store, "ns1").create({.id = "lease-2", .owner_lock = {}, .labels = {}, .created = {}});
        const oci::Digest digest = oci::Digest::of("any content");
        {
            LeaseHold lease(place.store, "ns1", "lease-1");
            BlobWriter writer = place.blobs.writer({.ref = "r1"}, lease, {});
            CHECK(place.leased("lease-1", "ingests", "r1"));
            writer.write(as_bytes("any content"));
            writer.commit({});
        }
        CHECK(place.leased("lease-1", "content", digest.string()));
        CHECK_FALSE(place.leased("lease-1", "ingests", "r1"));
        {
            LeaseHold lease(place.store, "ns1", "lease-2");
            fails(ErrorKind::already_exists, [&] { place.blobs.writer({.ref = "r2", .digest = digest}, lease, {}); });
            CHECK(place.leased("lease-2", "content", digest.string()));
            CHECK_FALSE(place.leased("lease-2", "ingests", "r2"));
        }
        CHECK(place.blobs.remove(digest, "lease-2"));
        CHECK_FALSE(place.leased("lease-2", "content", digest.string()));
        CHECK(place.leased("lease-1", "content", digest.string()));
        CHECK_FALSE(place.blobs.remove(digest));
        fails(ErrorKind::not_found, [&] { LeaseHold(place.store, "ns1", "no such lease"); });
    }

    TEST_CASE("a commit that finds the blob leases it all the same") {
        Place place("shared");
        Leases(place.store, "ns1").create({.id = "lease-1", .owner_lock = {}, .labels = {}, .created = {}});
        const oci::Digest digest = place.put("r", "text");
        LeaseHold lease(place.store, "ns1", "lease-1");
        BlobWriter writer = place.blobs.writer({.ref = "r"}, lease, {});
        writer.write(as_bytes("text"));
        fails(ErrorKind::already_exists, [&] { writer.commit({.labels = {{"k", "v"}}}); });
        CHECK(place.leased("lease-1", "content", digest.string()));
        CHECK_FALSE(place.leased("lease-1", "ingests", "r"));
        CHECK(place.blobs.get(digest).labels.empty());
    }

    // Unlike containerd's, an abort leaves an ingest alone that is being written.
    TEST_CASE("an ingest is leased while it is open, and no more when it is aborted") {
        Place place("shared");
        Leases(place.store, "ns1").create({.id = "lease-1", .owner_lock = {}, .labels = {}, .created = {}});
        LeaseHold lease(place.store, "ns1", "lease-1");
        BlobWriter writer = place.blobs.writer({.ref = "r"}, lease, {});
        writer.write(as_bytes("x"));
        CHECK(place.leased("lease-1", "ingests", "r"));
        fails(ErrorKind::unavailable, [&] { place.blobs.abort("r", "lease-1"); });
        CHECK(place.blobs.status("r").offset == 1);
        writer.close();
        place.blobs.abort("r", "lease-1");
        CHECK_FALSE(place.leased("lease-1", "ingests", "r"));
        fails(ErrorKind::not_found, [&] { place.blobs.status("r"); });
        fails(ErrorKind::not_found, [&] { place.blobs.abort("r"); });
        CHECK(place.blobs.active().empty());
    }

    TEST_CASE("every ingest expires after a day, counted anew when it is opened again") {
        Place place("shared");
        const auto expiry = [&] {
            return meta::Content(place.store.database(), "ns1").ingests().at(0).expires.value();
        };
        const Time before = now() + std::chrono::hours(24);
        place.open("r", oci::Digest::of("x")).write(as_bytes("x"));
        const Time first = expiry();
        CHECK(first >= before);
        CHECK(first <= now() + std::chrono::hours(24));
        CHECK(meta::Content(place.store.database(), "ns1").ingests().at(0).expected == oci::Digest::of("x").string());
        place.open("r").close();
        CHECK(expiry() > first);
    }

    TEST_CASE("a shared blob that is removed while its writer is open is made of what the writer holds") {
        Place place("shared");
        const std::string text = random_bytes(1000, 1);
        const oci::Digest digest = place.put("r", text);
        Blobs other(place.store, "ns2");
        LeaseHold lease(place.store, "ns2");
        BlobWriter writer = other.writer({.ref = "r", .digest = digest}, lease, {});
        place.store.files().discard(digest, place.store.trash(), "gone");
        CHECK(writer.commit({.size = 1000, .digest = digest}) == digest);
        CHECK(stored(other, digest) == text);
    }

    TEST_CASE("settings are their values and nothing else") {
        Place place("shared");
        const Setting& sharing = get_setting("content-sharing");
        set_setting(place.store, sharing, "isolated");
        CHECK(setting_value(place.store, sharing) == "isolated");
        fails(ErrorKind::invalid_argument, [&] { set_setting(place.store, sharing, "Shared"); });
        fails(ErrorKind::invalid_argument, [&] { get_setting("other"); });
        CHECK(setting_value(place.store, sharing) == "isolated");
    }
}
