// SPDX-License-Identifier: Apache-2.0
#include "store/images.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/namespaces.hpp"
#include "store/image_batch.hpp"

namespace lade::store {

namespace {

LeaseResource resource(const std::string& name) {
    return {.type = "images", .key = name};
}

} // namespace

std::vector<Image> Images::list() {
    return meta::Images(store_.database(), namespace_).list();
}

std::vector<ListedImage> Images::list(const std::string& platform) {
    return meta::Images(store_.database(), namespace_).list(platform);
}

std::vector<ListedImage> Images::list_by_digest(const std::string& prefix, const std::string& platform) {
    return meta::Images(store_.database(), namespace_).list_by_digest(prefix, platform);
}

std::optional<Image> Images::find(const std::string& name) {
    return meta::Images(store_.database(), namespace_).find(name);
}

std::optional<Image> Images::hold(const std::string& name, LeaseHold& lease) {
    meta::Transaction transaction(store_.database());
    auto image = find(name);
    if (image)
        lease.add({.type = "content", .key = image->target.digest.string()});
    transaction.commit();
    return image;
}

void Images::hold_by_lease(const Image& image) {
    store::hold_by_lease(store_, namespace_, lease_, image);
}

Image Images::create(const Image& image) {
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    Image made = meta::Images(store_.database(), namespace_).create(image);
    hold_by_lease(made);
    transaction.commit();
    return made;
}

Image Images::update(const Image& image, const std::vector<std::string>& paths) {
    meta::Transaction transaction(store_.database());
    Image updated = meta::Images(store_.database(), namespace_).update(image, paths);
    hold_by_lease(updated);
    transaction.commit();
    return updated;
}

Image Images::replace(const Image& image) {
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    remove_row(image.name, std::nullopt);
    Image made = meta::Images(store_.database(), namespace_).create(image);
    hold_by_lease(made);
    transaction.commit();
    return made;
}

void Images::put(const Image& image, const std::string& platform, const std::optional<Summary>& summary) {
    put_images(store_, namespace_, lease_, {{.image = image, .summary = summary}}, platform);
}

void Images::require_free(const Image& image) {
    if (const auto other = find(image.name); other && other->target.digest != image.target.digest)
        throw Error(ErrorKind::already_exists, "image ", printable(image.name), " already exists with digest ",
                    other->target.digest, "; --force replaces it");
}

void Images::put_same(const Image& image, const std::string& platform, const std::optional<Summary>& summary) {
    meta::Transaction transaction(store_.database());
    require_free(image);
    put_image_row(store_, namespace_, lease_, {.image = image, .summary = summary}, platform);
    transaction.commit();
}

bool Images::remove_row(const std::string& name, const std::optional<oci::Digest>& expected) {
    if (!meta::Images(store_.database(), namespace_).remove(name, expected))
        return false;
    meta::Leases leases(store_.database(), namespace_);
    if (!lease_.empty() && leases.find(lease_))
        leases.drop(lease_, resource(name));
    return true;
}

bool Images::remove(const std::string& name, const std::optional<oci::Digest>& expected) {
    meta::Transaction transaction(store_.database());
    const bool removed = remove_row(name, expected);
    transaction.commit();
    return removed;
}

std::vector<std::string> Images::remove_unused(const std::function<bool(const Image&)>& chosen) {
    meta::Transaction transaction(store_.database());
    std::vector<std::string> removed;
    for (std::string& name : meta::Images(store_.database(), namespace_).unused()) {
        const auto image = find(name);
        if (!image || !chosen(*image))
            continue;
        remove_row(name, std::nullopt);
        removed.push_back(std::move(name));
    }
    transaction.commit();
    return removed;
}

std::optional<Summary> Images::summary(const oci::Digest& target, const std::string& platform) {
    return meta::Summaries(store_.database()).find(target, platform);
}

void Images::remember(const std::vector<std::pair<oci::Digest, Summary>>& summaries,
                      const std::string& platform) noexcept {
    if (summaries.empty())
        return;
    attempt([&] {
        const meta::NoWaiting impatient(store_.database());
        meta::Transaction transaction(store_.database());
        for (const auto& [target, summary] : summaries)
            meta::Summaries(store_.database()).put(target, platform, summary);
        transaction.commit();
    });
}

} // namespace lade::store
