// SPDX-License-Identifier: Apache-2.0
// The cases of containerd's images_test.go (containerd-store.md 2.5, 2.11).
#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "store/images.hpp"
#include "store/namespaces.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;

namespace {

const oci::Digest one = oci::Digest::of("one");
const oci::Digest two = oci::Digest::of("two");

Image base_image() {
    return {.name = "i",
            .target = {.media_type = "application/vnd.oci.blah",
                       .digest = one,
                       .size = 10,
                       .annotations = {{"foo", "bar"}, {"baz", "boo"}}},
            .labels = {{"foo", "bar"}, {"baz", "boo"}}};
}

struct Place {
    test::TemporaryDirectory dir;
    Store store{dir.path("store"), Sync::none};
    Images images{store, "testing"};

    std::vector<std::string> topics() {
        std::vector<std::string> topics;
        for (const meta::Event& event : meta::list_events(store.database(), 0))
            if (event.topic.starts_with("/images/"))
                topics.push_back(event.topic);
        return topics;
    }
};

std::optional<ErrorKind> kind_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind();
    }
    return std::nullopt;
}

void check_equal(const Image& found, const Image& expected) {
    CHECK(found.labels == expected.labels);
    CHECK(found.target.media_type == expected.target.media_type);
    CHECK(found.target.digest == expected.target.digest);
    CHECK(found.target.size == expected.target.size);
    CHECK(found.target.annotations == expected.target.annotations);
}

// TestImagesCreateUpdateDelete: what is recorded, what comes in, by which paths, and what is to be the result.
struct Vector {
    const char* name;
    std::function<void(Image&)> original;
    std::function<void(Image&)> input;
    std::vector<std::string> paths;
    std::function<void(Image&)> expected;
    std::optional<ErrorKind> error;
};

void same(Image&) {}

void other_labels(Image& image) {
    image.labels = {{"for", "bar"}, {"boo", "boo"}};
}

void changed_labels(Image& image) {
    image.labels = {{"foo", "baz"}, {"baz", "bunk"}};
}

void other_target(Image& image) {
    image.target = {.media_type = "application/vnd.oci.blab+replaced", .digest = two, .size = 20};
}

void other_type(Image& image) {
    image.target.media_type = "application/vnd.oci.blab+ignored";
}

template <typename... Changes>
std::function<void(Image&)> all(Changes... changes) {
    return [=](Image& image) { (changes(image), ...); };
}

const std::vector<Vector> vectors{
    {"Touch", same, same, {}, same, {}},
    {"NoTarget",
     same,
     [](Image& i) { i.target.size = 0, i.target.media_type = ""; },
     {},
     same,
     ErrorKind::invalid_argument},
    {"ReplaceLabels", same, other_labels, {}, other_labels, {}},
    {"ReplaceLabelsFieldPath", same, all(changed_labels, other_type), {"labels"}, changed_labels, {}},
    {"ReplaceLabelsAnnotationsFieldPath",
     same,
     all(changed_labels, other_type,
         [](Image& i) {
             i.target.annotations = {{"foo", "baz"}, {"baz", "bunk"}};
         }),
     {"annotations", "labels"},
     all(changed_labels,
         [](Image& i) {
             i.target.annotations = {{"foo", "baz"}, {"baz", "bunk"}};
         }),
     {}},
    {"ReplaceLabel",
     same,
     all(changed_labels, other_type),
     {"labels.foo"},
     [](Image& i) {
         i.labels = {{"foo", "baz"}, {"baz", "boo"}};
     },
     {}},
    {"ReplaceAnnotation",
     same,
     all(other_type,
         [](Image& i) {
             i.target.annotations = {{"foo", "baz"}, {"baz", "bunk"}};
         }),
     {"annotations.foo"},
     [](Image& i) {
         i.target.annotations = {{"foo", "baz"}, {"baz", "boo"}};
     },
     {}},
    {"RemoveLabelThatTheInputLacks",
     same,
     [](Image& i) { i.labels = {}; },
     {"labels.foo"},
     [](Image& i) {
         i.labels = {{"baz", "boo"}};
     },
     {}},
    {"EmptyValueRemoves",
     same,
     [](Image& i) {
         i.labels = {{"foo", ""}};
     },
     {"labels.foo"},
     [](Image& i) {
         i.labels = {{"baz", "boo"}};
     },
     {}},
    {"LabelWithDots",
     [](Image& i) { i.labels["a.b.c"] = "1"; },
     [](Image& i) { i.labels["a.b.c"] = "2"; },
     {"labels.a.b.c"},
     [](Image& i) { i.labels["a.b.c"] = "2"; },
     {}},
    {"ReplaceTarget", same, all(changed_labels, other_target), {"target"}, other_target, {}},
    {"ReplaceTargetAndLabels", same, all(changed_labels, other_target), {}, all(changed_labels, other_target), {}},
    {"EmptySize", same, [](Image& i) { i.target.size = 0; }, {"target"}, same, ErrorKind::invalid_argument},
    {"EmptyMediaType", same, [](Image& i) { i.target.media_type = ""; }, {"target"}, same, ErrorKind::invalid_argument},
    {"LongLabel",
     same,
     [](Image& i) { i.labels["k"] = std::string(4096, 'x'); },
     {"labels.k"},
     same,
     ErrorKind::invalid_argument},
    {"UnknownPath", same, same, {"name"}, same, ErrorKind::invalid_argument},
    {"PathWithoutKey", same, same, {"labels."}, same, ErrorKind::invalid_argument},
    {"PathIntoTheTarget", same, same, {"target.size"}, same, ErrorKind::invalid_argument},
};

} // namespace

TEST_SUITE("images") {
    TEST_CASE("update") {
        for (const Vector& vector : vectors) {
            CAPTURE(std::string(vector.name));
            Place place;
            Image original = base_image();
            vector.original(original);
            const Image created = place.images.create(original);
            CHECK(created.created == created.updated);
            check_equal(created, original);
            Image input = original;
            vector.input(input);
            CHECK(kind_of([&] { place.images.update(input, vector.paths); }) == vector.error);
            Image expected = original;
            vector.expected(expected);
            const Image found = place.images.find("i").value();
            check_equal(found, expected);
            CHECK(found.created == created.created);
            CHECK((found.updated > created.updated) == !vector.error);
            CHECK(place.topics().size() == (vector.error ? 1 : 2));
        }
    }

    TEST_CASE("create: what is no image is refused, a name is given once, the given times are ignored") {
        Place place;
        for (const auto& spoil : std::vector<std::function<void(Image&)>>{
                 [](Image& i) { i.target.size = 0; }, [](Image& i) { i.target.media_type = ""; },
                 [](Image& i) { i.name = ""; }, [](Image& i) { i.labels["k"] = std::string(4096, 'x'); }}) {
            Image image = base_image();
            spoil(image);
            CHECK(kind_of([&] { place.images.create(image); }) == ErrorKind::invalid_argument);
        }
        CHECK(place.images.list().empty());
        Image image = base_image();
        image.created = image.updated = Time(std::chrono::hours(1));
        CHECK(place.images.create(image).created > image.created);
        CHECK(kind_of([&] { place.images.create(image); }) == ErrorKind::already_exists);
        Images(place.store, "other").create(image);
    }

    TEST_CASE("update and delete of what is not there") {
        Place place;
        CHECK(kind_of([&] { place.images.update(base_image(), {}); }) == ErrorKind::not_found);
        CHECK(kind_of([&] { place.images.update(base_image(), {"labels"}); }) == ErrorKind::not_found);
        CHECK_FALSE(place.images.remove("i"));
        CHECK(Namespaces(place.store).list().empty());
    }

    TEST_CASE("delete with an expected target") {
        Place place;
        place.images.create(base_image());
        CHECK_FALSE(place.images.remove("i", two));
        CHECK(place.images.find("i"));
        CHECK(place.images.remove("i", one));
        CHECK_FALSE(place.images.find("i"));
        CHECK(place.topics().back() == "/images/delete");
    }

    TEST_CASE("list is in byte order, and its labels are those of each") {
        Place place;
        for (const char* name : {"b", "a", "Z", "a/b", "\xc3\xa4"}) {
            Image image = base_image();
            image.name = name;
            image.labels = {{"name", name}};
            image.target.annotations = {{"also", name}};
            place.images.create(image);
        }
        Images(place.store, "other").create(base_image());
        std::vector<std::string> names;
        for (const Image& image : place.images.list()) {
            names.push_back(image.name);
            CHECK(image.labels == oci::Labels{{"name", image.name}});
            CHECK(image.target.annotations == oci::Labels{{"also", image.name}});
        }
        CHECK(names == std::vector<std::string>{"Z", "a", "a/b", "b", "\xc3\xa4"});
    }

    TEST_CASE("times are those of SOURCE_DATE_EPOCH") {
        Place place;
        ::setenv("SOURCE_DATE_EPOCH", "1600000000", 1);
        const Image created = place.images.create(base_image());
        ::setenv("SOURCE_DATE_EPOCH", "1600000001", 1);
        const Image updated = place.images.update(base_image(), {});
        for (const char* bad : {"yesterday", "-1", "99999999999999999999", "9999999999999"}) {
            ::setenv("SOURCE_DATE_EPOCH", bad, 1);
            CHECK(kind_of([&] { place.images.update(base_image(), {}); }) == ErrorKind::invalid_argument);
        }
        ::unsetenv("SOURCE_DATE_EPOCH");
        CHECK(created.created == Time(std::chrono::seconds(1'600'000'000)));
        CHECK(created.updated == created.created);
        CHECK(updated.created == created.created);
        CHECK(updated.updated == Time(std::chrono::seconds(1'600'000'001)));
    }

    TEST_CASE("the lease in use holds an image only if it has an expiry") {
        Place place;
        Leases(place.store, "testing").create({.id = "mine", .owner_lock = std::nullopt, .labels = {}, .created = {}});
        Images images(place.store, "testing", "mine");
        const auto held = [&] {
            meta::Statement rows = place.store.database().query("SELECT type, key FROM lease_resources ORDER BY key");
            std::vector<std::string> keys;
            while (rows.next())
                keys.push_back(rows.text(0) + " " + rows.text(1));
            return keys;
        };
        const auto expiring = [](const std::string& name) {
            Image image = base_image();
            image.name = name;
            image.labels[std::string(oci::label::gc_expire)] = "2100-01-01T00:00:00Z";
            return image;
        };
        images.create(base_image());
        CHECK(held().empty());
        images.create(expiring("created"));
        images.update(expiring("i"), {"labels"});
        images.put(expiring("put"));
        CHECK(held() == std::vector<std::string>{"images created", "images i", "images put"});
        images.remove("created");
        // Not under this lease: it keeps what it holds.
        place.images.remove("i");
        CHECK(held() == std::vector<std::string>{"images i", "images put"});
        CHECK(kind_of([&] { Images(place.store, "testing", "none").create(expiring("x")); }) == ErrorKind::not_found);
        CHECK_FALSE(place.images.find("x"));
    }

    TEST_CASE("put keeps what the user set; replace makes it new") {
        Place place;
        const Image created = place.images.create(base_image());
        Image pulled = base_image();
        pulled.labels = {{"foo", "pulled"}};
        other_target(pulled);
        place.images.put(pulled);
        const Image merged = place.images.find("i").value();
        CHECK(merged.labels == oci::Labels{{"foo", "pulled"}, {"baz", "boo"}});
        CHECK(merged.target.digest == two);
        CHECK(merged.created == created.created);
        const Image replaced = place.images.replace(pulled);
        CHECK(replaced.labels == pulled.labels);
        CHECK(replaced.created > created.created);
    }
}
