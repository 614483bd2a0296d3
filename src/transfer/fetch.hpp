// SPDX-License-Identifier: Apache-2.0
// Blobs from a repository into the store: small documents whole, layers as a stream that can be unpacked
// while it arrives.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/stream.hpp"
#include "base/tasks.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "store/blobs.hpp"
#include "transfer/image.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

// What every fetch of one pull shares. References stay the caller's.
struct Origin {
    registry::Repository& repository;
    const oci::Reference& reference;
    store::Blobs& blobs;
    store::LeaseHold& lease;
    Progress& progress;
};

// The text of an index, manifest or config: the store's, or fetched, verified and stored with the gc labels
// of what it refers to (registry-and-unpack.md 3.4). A damaged one is fetched anew. resource_exhausted: larger than
// oci::max_document.
std::string fetch_document(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop);

// After a data loss: moves every stored layer of the images that is not what its digest says out of the way. True when
// there was one, so that another attempt fetches it anew.
bool make_way_for_layers(const Origin& origin, const std::vector<PlatformImage>& images, const std::stop_token& stop);

// A blob of the store, to be read from its start.
std::unique_ptr<Source> open_stored(store::Blobs& blobs, const oci::Descriptor& descriptor);

// Downloads of layers, running in the tasks of a group. A layer is one download however many images of the
// pull share it.
class LayerDownloads {
public:
    LayerDownloads(const Origin& origin, std::size_t at_once, TaskGroup& tasks)
        : origin_(origin), limiter_(at_once), tasks_(tasks) {}
    LayerDownloads(const LayerDownloads&) = delete;
    LayerDownloads& operator=(const LayerDownloads&) = delete;

    // Starts a task per layer that is not in the store, largest first.
    void start(std::vector<oci::Descriptor> layers);
    // Layers whose bytes nobody needs: those that are in the store are held and labelled, the others stay away. After
    // start(), which may want some of them.
    void keep(const std::vector<oci::Descriptor>& layers);

    // The layer's bytes. Waits until they begin to arrive and then reads behind the download; bytes from an
    // earlier run are not shown before the whole is verified. The end is reported only after verification.
    std::unique_ptr<Source> open(const oci::Descriptor& layer, const std::stop_token& stop);

private:
    struct State {
        std::optional<content::Follower> follower;
        bool stored = false;
    };

    void download(const oci::Descriptor& layer, Item& item, const std::stop_token& stop);
    void transfer(store::BlobWriter& writer, const oci::Descriptor& layer, Item& item, const oci::Labels& labels,
                  const std::stop_token& stop);
    void set_stored(const oci::Digest& digest);
    void set_follower(const oci::Digest& digest, content::Follower follower);

    Origin origin_;
    Limiter limiter_;
    TaskGroup& tasks_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::map<oci::Digest, State> states_;
};

} // namespace lade::transfer
