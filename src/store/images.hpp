// SPDX-License-Identifier: Apache-2.0
// Images of one namespace, each change one transaction. The contracts are those of meta::Images where nothing else is
// said.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "meta/images.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::converted_from;
using meta::forget_origin;
using meta::Image;
using meta::ListedImage;
using meta::means_target;
using meta::source_date_epoch;
using meta::Summary;
using meta::time_of_change;
using meta::was_made_of;

class Images {
public:
    // `lease` is one that people made, "" for none: it holds each image that is written here and has an expiry
    // (containerd-store.md 2.5), and lets go of each that is removed. not_found: by whatever would add to it.
    Images(Store& store, std::string name_space, std::string lease = {})
        : store_(store), namespace_(std::move(name_space)), lease_(std::move(lease)) {}

    std::vector<Image> list();
    std::vector<ListedImage> list(const std::string& platform);
    std::vector<ListedImage> list_by_digest(const std::string& prefix, const std::string& platform);
    std::optional<Image> find(const std::string& name);
    // The image, what it refers to held by the lease from now on, whatever becomes of its name.
    std::optional<Image> hold(const std::string& name, LeaseHold& lease);

    Image create(const Image& image);
    Image update(const Image& image, const std::vector<std::string>& paths);
    // As create(), but an image of that name goes first.
    Image replace(const Image& image);
    // What its documents say on `platform` is remembered with it.
    void put(const Image& image, const std::string& platform, const std::optional<Summary>& summary);
    // already_exists: the name has another target than this.
    void require_free(const Image& image);
    // As put() after require_free().
    void put_same(const Image& image, const std::string& platform, const std::optional<Summary>& summary);
    void put(const Image& image) { put(image, "", std::nullopt); }
    bool remove(const std::string& name, const std::optional<oci::Digest>& expected = std::nullopt);
    // Removes the images that no container names and that `chosen` says yes to. Their names, in byte order.
    std::vector<std::string> remove_unused(const std::function<bool(const Image&)>& chosen);

    std::optional<Summary> summary(const oci::Digest& target, const std::string& platform);
    // Remembers what was found out, by target; or does not, when that would fail or have to wait.
    void remember(const std::vector<std::pair<oci::Digest, Summary>>& summaries, const std::string& platform) noexcept;

private:
    void hold_by_lease(const Image& image);
    bool remove_row(const std::string& name, const std::optional<oci::Digest>& expected);

    Store& store_;
    std::string namespace_;
    std::string lease_;
};

} // namespace lade::store
