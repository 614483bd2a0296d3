// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "base/error.hpp"
#include "transfer/image_tree.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::transfer;

namespace {

struct Store {
    std::map<oci::Digest, std::string> texts;
    std::set<oci::Digest> blobs;

    oci::Descriptor add(std::string_view type, const std::string& text) {
        const oci::Digest digest = oci::Digest::of(text);
        texts.emplace(digest, text);
        return {.media_type = std::string(type), .digest = digest, .size = text.size()};
    }
    static std::string json(const oci::Descriptor& one) {
        return cat(R"({"mediaType":")", one.media_type, R"(","digest":")", one.digest, R"(","size":)", one.size, "}");
    }
    oci::Descriptor blob(const std::string& text, const std::string& type) {
        blobs.insert(oci::Digest::of(text));
        return {.media_type = type, .digest = oci::Digest::of(text), .size = text.size()};
    }
    oci::Descriptor manifest(const std::string& name,
                             const std::string& layer_type = "application/vnd.oci.image.layer.v1.tar") {
        return add(oci::media_type::oci_manifest,
                   cat(R"({"schemaVersion":2,"config":)",
                       json(blob(name + "c", std::string(oci::media_type::oci_config))), R"(,"layers":[)",
                       json(blob("shared", "application/vnd.oci.image.layer.v1.tar")), ",",
                       json(blob(name + "l", layer_type)), "]}"));
    }
    oci::Descriptor index(const std::vector<oci::Descriptor>& children) {
        std::string text = R"({"schemaVersion":2,"annotations":{"a":"b"},"manifests":[)";
        for (const oci::Descriptor& child : children)
            text.append(&child == children.data() ? "" : ",").append(json(child));
        return add(oci::media_type::oci_index, text + "]}");
    }
    void lose(const oci::Digest& digest) {
        texts.erase(digest);
        blobs.erase(digest);
    }
    CollectedTree collect(const oci::Descriptor& root, const TreeRules& rules = {}) const {
        return collect_tree(root,
                            {.find_document = [this](const oci::Descriptor& one) -> std::optional<std::string> {
                                 const auto found = texts.find(one.digest);
                                 return found == texts.end() ? std::nullopt : std::optional(found->second);
                             },
                             .has_blob = [this](const oci::Descriptor& one) { return blobs.contains(one.digest); }},
                            rules);
    }
};

} // namespace

TEST_SUITE("image tree") {
    TEST_CASE("all of an index, each thing once, children first") {
        Store store;
        const oci::Descriptor a = store.manifest("a");
        const oci::Descriptor b = store.manifest("b");
        const oci::Descriptor inner = store.index({a, b});
        const oci::Descriptor root = store.index({a, inner, b});
        const CollectedTree found = store.collect(root);
        CHECK(found.whole);
        CHECK_FALSE(found.reduced);
        REQUIRE(found.tree.documents.size() == 4);
        CHECK(found.tree.documents[2].descriptor.digest == inner.digest);
        CHECK(found.tree.root().digest == root.digest);
        CHECK(found.tree.documents.back().text == store.texts.at(root.digest));
        CHECK(found.tree.blobs.size() == 5);
    }

    TEST_CASE("what is missing is told, or left out") {
        Store store;
        const oci::Descriptor a = store.manifest("a");
        const oci::Descriptor b = store.manifest("b");
        const oci::Descriptor c = store.manifest("c");
        const oci::Descriptor root = store.index({a, store.index({b}), c});
        store.lose(b.digest);
        store.lose(oci::Digest::of("cl"));
        const CollectedTree strict = store.collect(root);
        CHECK_FALSE(strict.whole);
        REQUIRE(strict.missing.size() == 2);
        CHECK(strict.missing[0].descriptor.digest == b.digest);
        CHECK(strict.missing[1].descriptor.digest == oci::Digest::of("cl"));

        const CollectedTree reduced = store.collect(root, {.skip_missing = true});
        CHECK(reduced.whole);
        CHECK(reduced.reduced);
        REQUIRE(reduced.tree.documents.size() == 2);
        CHECK(reduced.tree.documents.front().descriptor.digest == a.digest);
        CHECK(reduced.tree.blobs.size() == 3);
        const oci::Descriptor& its = reduced.tree.root();
        const std::string& text = reduced.tree.documents.back().text;
        CHECK(its.digest == oci::Digest::of(text));
        CHECK(its.size == text.size());
        CHECK(text.find(R"("annotations":{"a":"b"})") != std::string::npos);
        const oci::Index left = oci::parse_index(text, its.media_type, "index");
        REQUIRE(left.manifests.size() == 1);
        CHECK(left.manifests.front().digest == a.digest);

        // Or the index says what there is elsewhere.
        const CollectedTree kept = store.collect(root, {.skip_missing = true, .keep_indexes = true});
        CHECK(kept.whole);
        CHECK_FALSE(kept.reduced);
        CHECK(kept.tree.root().digest == root.digest);
        CHECK(kept.tree.documents.back().text == store.texts.at(root.digest));
        CHECK(kept.tree.documents.size() == 2);
        CHECK(kept.missing.size() == 2);
        CHECK(store.collect(root, {.keep_indexes = true, .only = std::set{a.digest}}).whole);
        CHECK_FALSE(store.collect(root, {.keep_indexes = true}).whole);

        store.lose(oci::Digest::of("shared"));
        CHECK_FALSE(store.collect(root, {.skip_missing = true}).whole);
        CHECK_FALSE(store.collect(root, {.skip_missing = true, .keep_indexes = true}).whole);
    }

    TEST_CASE("an index that is kept stays as it is, whatever of it is here") {
        Store store;
        const oci::Descriptor a = store.manifest("a");
        const oci::Descriptor b = store.manifest("b");
        const oci::Descriptor root = store.index({a, store.index({b})});
        const std::string text = store.texts.at(root.digest);
        const TreeRules as_here{.keep_indexes = true, .as_here = true};
        store.lose(b.digest);
        const CollectedTree kept = store.collect(root, as_here);
        CHECK(kept.whole);
        CHECK_FALSE(kept.reduced);
        CHECK(kept.missing.empty());
        CHECK(kept.tree.root().digest == root.digest);
        CHECK(kept.tree.documents.back().text == text);
        CHECK(kept.tree.blobs.size() == 3);
        CHECK_FALSE(store.collect(root, {.keep_indexes = true}).whole);
        CHECK(store.collect(root, {.skip_missing = true, .keep_indexes = true}).tree.root().digest == root.digest);

        // One that is here, and not all of it, is missed all the same.
        store.lose(oci::Digest::of("al"));
        const CollectedTree partial = store.collect(root, as_here);
        CHECK_FALSE(partial.whole);
        REQUIRE(partial.missing.size() == 1);
        CHECK(partial.missing[0].descriptor.digest == oci::Digest::of("al"));

        store.lose(a.digest);
        const CollectedTree nothing = store.collect(root, as_here);
        CHECK_FALSE(nothing.whole);
        CHECK(nothing.missing.size() == 2);
        store.lose(root.digest);
        CHECK_FALSE(store.collect(root, as_here).whole);
    }

    TEST_CASE("layers that are not to be distributed are no part of it, unless they are asked for") {
        Store store;
        const oci::Descriptor root =
            store.manifest("a", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
        store.lose(oci::Digest::of("al"));
        CHECK(store.collect(root).whole);
        CHECK(store.collect(root).tree.blobs.size() == 2);
        CHECK_FALSE(store.collect(root, {.nondistributable = true}).whole);
    }

    TEST_CASE("too deep, and no image at all") {
        Store store;
        oci::Descriptor level = store.manifest("a");
        for (int i = 0; i < 30; ++i)
            level = store.index({level});
        CHECK(test::kind_of([&] { store.collect(level); }) == ErrorKind::resource_exhausted);
        CHECK(test::kind_of([&] { store.collect(store.blob("b", "text/plain")); }) == ErrorKind::invalid_argument);
    }
}
