// SPDX-License-Identifier: Apache-2.0
// Blobs from where they are into the store: small documents whole, layers as a stream that can be unpacked
// while it arrives.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/stream.hpp"
#include "base/tasks.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"
#include "registry/repository.hpp"
#include "store/blobs.hpp"
#include "transfer/image.hpp"
#include "transfer/progress.hpp"
#include "transfer/provider.hpp"

namespace lade::transfer {

// What every fetch of one pull or import shares. References stay the caller's.
struct Origin {
    Provider& provider;
    const oci::Reference* reference; // what blobs are labelled with; nullptr: they cannot be asked for again
    store::Blobs& blobs;
    store::LeaseHold& lease;
    Progress& progress;
};

// For what only a registry can be asked.
struct RemoteOrigin : Origin {
    registry::Repository& repository;
};

// Containerd's key of a blob's ingest (registry-and-unpack.md 4.2): of several that bring the blob into one store one
// does so, the others wait.
std::string ingest_ref(const oci::Descriptor& descriptor);

// The text of a document as the provider has it, verified; nothing is stored. `warn` is told of hosts that sent
// something else. A schema 1 manifest is known by the digest of its payload, and read up to oci::max_schema1.
// resource_exhausted as below.
std::string receive_document(Provider& provider, const oci::Descriptor& descriptor, const std::stop_token& stop,
                             const std::function<void(const std::string&)>& warn);
std::string receive_document(
    registry::Repository& repository, const oci::Descriptor& descriptor, const std::stop_token& stop,
    const std::function<void(const std::string&)>& warn = [](const std::string&) {});

// The text of an index, manifest or config: the store's, or fetched, verified and stored with the gc labels
// of what it refers to (registry-and-unpack.md 3.4). A damaged one is fetched anew. resource_exhausted: larger than
// oci::max_document.
std::string fetch_document(const Origin& origin, const oci::Descriptor& descriptor, const std::stop_token& stop);

// After a failure that bad bytes may be the reason of: moves every stored layer of these that is not what its digest
// says out of the way. True when there was one, so that another attempt fetches it anew.
bool make_way_for_layers(const Origin& origin, const std::vector<oci::Descriptor>& layers, const std::stop_token& stop);

// A blob of the store, to be read from `offset` on.
std::unique_ptr<Source> open_stored(store::Blobs& blobs, const oci::Descriptor& descriptor, std::uint64_t offset = 0);

// The bytes of a layer that were received, and are being unpacked, have another digest. Whoever sent them is not asked
// for them again, so that another attempt may succeed.
class WrongBytes final : public Error {
public:
    explicit WrongBytes(const std::string& message) : Error(ErrorKind::data_loss, message) {}
};

// Downloads of layers, each in a task. A layer is one download however many images of the pull share it. When one task
// fails all are stopped; the destructor stops and joins them.
class LayerDownloads {
public:
    LayerDownloads(const Origin& origin, std::size_t at_once, const std::stop_token& stop)
        : origin_(origin), limiter_(at_once), tasks_(stop) {}
    LayerDownloads(const LayerDownloads&) = delete;
    LayerDownloads& operator=(const LayerDownloads&) = delete;

    // Starts a task per layer that is not in the store, largest first.
    void start(std::vector<oci::Descriptor> layers);
    // Layers whose bytes nobody needs: those that are in the store are held and labelled, the others stay away, and to
    // open() one of them after all is not_found. After start(), which may want some of them.
    void keep(const std::vector<oci::Descriptor>& layers);

    // Runs `work` in a task beside the downloads. What it refers to outlives this object.
    void run_beside(std::function<void(const std::stop_token&)> work) { tasks_.start(std::move(work)); }
    // Until all tasks are done; rethrows the error that came first. WrongBytes: see there; bytes that nobody was
    // reading are fetched anew without a word but a warning.
    void wait() { tasks_.wait(); }

    // The layer's bytes. Waits until they begin to arrive and then reads behind the download; bytes from an
    // earlier run are not shown before the whole is verified. The end is reported only after verification.
    std::unique_ptr<Source> open(const oci::Descriptor& layer, const std::stop_token& stop);
    // For who could not make sense of the bytes: until the layers that are read behind their downloads are verified;
    // cancelled when one turns out not to be what it should, or another download fails.
    void wait_for_verdict(const std::stop_token& stop);

private:
    struct State {
        std::optional<content::Follower> follower;
        bool begun = false;   // by this process
        bool reading = false; // somebody has the follower
        bool stored = false;
    };

    bool obtain(const oci::Descriptor& layer);
    void download(const oci::Descriptor& layer, Item& item, const std::stop_token& stop);
    // False when it is to be fetched anew.
    bool try_download(const oci::Descriptor& layer, Item& item, const std::stop_token& stop);
    void transfer(store::BlobWriter& writer, const oci::Descriptor& layer, Item& item, const oci::Labels& labels,
                  const std::stop_token& stop);
    // Whether bytes of an earlier attempt may be good: those of our own are known not to be.
    bool may_go_on(const oci::Digest& digest);
    // Whether somebody is reading what is received; from now on nobody begins to.
    bool is_read(const oci::Digest& digest);
    void set_stored(const oci::Digest& digest);
    void set_follower(const oci::Digest& digest, content::Follower follower);

    Origin origin_;
    Limiter limiter_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::map<oci::Digest, State> states_;
    TaskGroup tasks_; // last: it ends before what its tasks use
};

} // namespace lade::transfer
