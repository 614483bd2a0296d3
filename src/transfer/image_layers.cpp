// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_layers.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "transfer/image_summary.hpp"
#include "transfer/stored_image.hpp"

namespace lade::transfer {

namespace {

// With its config, which says what its layers are.
std::optional<PlatformImage> find_whole(store::Blobs& blobs, const oci::Descriptor& target,
                                        const oci::Platform& platform) {
    auto image = find_platform_image(blobs, target, platform, Standin::first);
    if (!image || !oci::media_type::is_config(image->manifest.config.media_type) ||
        !blobs.find(image->manifest.config.digest))
        return std::nullopt;
    return image;
}

PlatformImage get_any(store::Blobs& blobs, const oci::Descriptor& target) {
    auto image = find_platform_image(blobs, target, oci::host_platform(), Standin::first);
    if (!image)
        throw Error(ErrorKind::not_found, "no image manifest of ", target.digest, " is in the store");
    return std::move(*image);
}

void insert_sorted(std::vector<oci::ChainId>& ids, const oci::ChainId& id) {
    ids.insert(std::ranges::lower_bound(ids, id), id);
}

} // namespace

std::vector<HistoryStep> history_of(store::Blobs& blobs, const oci::Descriptor& target,
                                    const std::optional<oci::Platform>& platform) {
    const PlatformImage image = platform ? get_stored_image(blobs, target, *platform) : get_any(blobs, target);
    const std::vector<Layer> layers = layers_of(image);
    const std::vector<oci::ChainId> chain = oci::chain_ids(image.config.diff_ids);
    const oci::Descriptor& config = image.manifest.config;
    std::vector<HistoryStep> steps;
    std::size_t next = 0;
    const auto take_layer = [&](HistoryStep& step) {
        step.layer = layers[next].descriptor;
        step.diff_id = layers[next].diff_id;
        step.chain_id = chain[next];
        ++next;
    };
    for (oci::HistoryEntry& entry : oci::parse_history(blobs.read_document(config), cat("config ", config.digest))) {
        HistoryStep& step = steps.emplace_back(HistoryStep{.created = parse_rfc3339(entry.created),
                                                           .created_by = std::move(entry.created_by),
                                                           .author = std::move(entry.author),
                                                           .comment = std::move(entry.comment),
                                                           .layer = std::nullopt,
                                                           .diff_id = std::nullopt,
                                                           .chain_id = std::nullopt});
        if (!entry.empty_layer && next < layers.size())
            take_layer(step);
    }
    while (next < layers.size())
        take_layer(steps.emplace_back());
    return steps;
}

std::optional<std::vector<oci::ChainId>> find_chain(store::Blobs& blobs, const oci::Descriptor& target,
                                                    const oci::Platform& platform) {
    const auto image = find_whole(blobs, target, platform);
    if (!image)
        return std::nullopt;
    std::vector<oci::ChainId> chain = oci::chain_ids(image->config.diff_ids);
    if (chain.empty())
        chain.push_back(oci::empty_chain_id());
    return chain;
}

bool LayerTree::add(store::Blobs& blobs, const store::Image& image, const oci::Platform& platform) {
    const auto whole = find_whole(blobs, image.target, platform);
    if (!whole)
        return false;
    const std::vector<transfer::Layer> layers = layers_of(*whole);
    const std::vector<oci::ChainId> chain = oci::chain_ids(whole->config.diff_ids);
    if (chain.empty())
        return false;
    for (std::size_t i = 0; i < chain.size(); ++i) {
        if (layers_.contains(chain[i]))
            continue;
        layers_.emplace(chain[i], Layer{.chain_id = chain[i],
                                        .parent = i == 0 ? std::nullopt : std::optional(chain[i - 1]),
                                        .blob = layers[i].descriptor,
                                        .diff_id = layers[i].diff_id,
                                        .children = {},
                                        .images = {}});
        insert_sorted(i == 0 ? roots_ : layers_.at(chain[i - 1]).children, chain[i]);
    }
    layers_.at(chain.back()).images.push_back(image.name);
    tops_.insert_or_assign(image.name, chain.back());
    return true;
}

std::map<std::string, LayerTree::Relatives> LayerTree::relatives() const {
    std::map<std::string, Relatives> all;
    for (const auto& [name, top] : tops_)
        all.emplace(name, Relatives{.chain_id = top, .parents = {}, .children = {}});
    for (auto& [name, relatives] : all)
        for (auto id = layers_.at(relatives.chain_id).parent; id; id = layers_.at(*id).parent)
            for (const std::string& parent : layers_.at(*id).images) {
                relatives.parents.push_back(parent);
                all.at(parent).children.push_back(name);
            }
    return all;
}

oci::ChainId LayerTree::root_of(const oci::ChainId& id) const {
    oci::ChainId at = id;
    while (const auto& parent = layers_.at(at).parent)
        at = *parent;
    return at;
}

void LayerTree::keep(const std::vector<std::string>& images) {
    std::set<oci::ChainId> wanted;
    for (const std::string& name : images)
        if (const auto top = tops_.find(name); top != tops_.end())
            wanted.insert(root_of(top->second));
    std::erase_if(tops_, [&](const auto& top) { return !wanted.contains(root_of(top.second)); });
    std::erase_if(roots_, [&](const oci::ChainId& root) { return !wanted.contains(root); });
    std::vector<oci::ChainId> unwanted;
    for (const auto& [id, layer] : layers_)
        if (!wanted.contains(root_of(id)))
            unwanted.push_back(id);
    for (const oci::ChainId& id : unwanted)
        layers_.erase(id);
}

} // namespace lade::transfer
