// SPDX-License-Identifier: Apache-2.0
// The layers of images: what made each, and which images share them. Layers are known by their chain IDs, so a layer
// is shared only when everything below it is, too.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "oci/layer.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"

namespace lade::transfer {

// A step of an image's making. One that left no layer has neither descriptor nor IDs.
struct HistoryStep {
    std::optional<Time> created;
    std::string created_by;
    std::string author;
    std::string comment;
    std::optional<oci::Descriptor> layer;
    std::optional<oci::DiffId> diff_id;
    std::optional<oci::ChainId> chain_id;
};

// Of `platform`; without one of this machine's, else of the first that is here. Oldest first. Layers that the history
// does not tell of come at the end, each as a step without words. not_found: the platform is not there, or its
// documents are not; invalid_argument: it is no image.
std::vector<HistoryStep> history_of(store::Blobs& blobs, const oci::Descriptor& target,
                                    const std::optional<oci::Platform>& platform);

// The chain IDs of an image, bottom first; that of nothing for one without layers. nullopt: it is no image, or its
// documents are not here.
std::optional<std::vector<oci::ChainId>> find_chain(store::Blobs& blobs, const oci::Descriptor& target,
                                                    const oci::Platform& platform);

// The layers of many images, each once, lying on each other.
class LayerTree {
public:
    struct Layer {
        oci::ChainId chain_id;
        std::optional<oci::ChainId> parent;
        oci::Descriptor blob; // as the first image has it: the same layer may be compressed in several ways
        oci::DiffId diff_id;
        std::vector<oci::ChainId> children; // sorted
        std::vector<std::string> images;    // that end here, in the order they were added
    };
    struct Relatives {
        oci::ChainId chain_id;
        std::vector<std::string> parents;  // images whose whole chain is the beginning of this one's, nearest first
        std::vector<std::string> children; // images that have this one for a parent
    };

    // False, and nothing is added, for what find_chain() does not know and for an image without layers.
    bool add(store::Blobs& blobs, const store::Image& image, const oci::Platform& platform);

    // Bottom layers, sorted.
    const std::vector<oci::ChainId>& roots() const noexcept { return roots_; }
    const Layer& layer(const oci::ChainId& id) const { return layers_.at(id); }
    // By image name.
    std::map<std::string, Relatives> relatives() const;
    // Keeps the trees that hold one of these images.
    void keep(const std::vector<std::string>& images);

private:
    oci::ChainId root_of(const oci::ChainId& id) const;

    std::map<oci::ChainId, Layer> layers_;
    std::vector<oci::ChainId> roots_;
    std::map<std::string, oci::ChainId> tops_;
};

} // namespace lade::transfer
