// SPDX-License-Identifier: Apache-2.0
// Blobs of one namespace: files and their rows together (containerd-store.md 2.4, the shared policy).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/stream.hpp"
#include "content/ingest.hpp"
#include "meta/content.hpp"
#include "oci/manifest.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using content::IngestStatus;
using meta::Blob;

// A blob that is being written, under a lease. Made by Blobs::ingest().
class BlobWriter {
public:
    BlobWriter(BlobWriter&&) = default;

    std::uint64_t offset() const noexcept { return ingest_.offset(); }
    Sink& sink() noexcept { return ingest_; }
    content::Follower follow(const std::stop_token& stop) const { return ingest_.follow(stop); }
    void restart() { ingest_.restart(); }

    // Verifies against the descriptor and makes the blob and its row. data_loss on a mismatch: nothing is
    // published and the ingest is gone, so that its bytes spoil no later attempt.
    void commit(const oci::Labels& labels, const std::stop_token& stop);
    // The ingest goes: somebody else's blob serves, or its bytes are spoilt. Once is enough.
    void abandon();

private:
    friend class Blobs;
    BlobWriter(Store& store, std::string name_space, std::string ref, oci::Descriptor descriptor, LeaseHold& lease,
               content::Ingest ingest);
    void remove_row();

    Store* store_;
    std::string namespace_;
    std::string ref_;
    oci::Descriptor descriptor_;
    LeaseHold* lease_;
    content::Ingest ingest_;
    bool gone_ = false;
};

class Blobs {
public:
    Blobs(Store& store, std::string name_space) : store_(store), namespace_(std::move(name_space)) {}

    std::vector<Blob> list();
    std::optional<Blob> find(const oci::Digest& digest);
    // not_found: not in this namespace; data_loss: its file is missing or has another size.
    Fd open(const oci::Digest& digest);
    // The text of an index, manifest or config, verified while reading.
    std::string read_document(const oci::Descriptor& descriptor);

    // True when the namespace has the blob now: it had, or took over the shared file of another one with
    // the same digest and size. The lease holds it, `labels` are merged in.
    bool adopt(const oci::Descriptor& descriptor, const oci::Labels& labels, LeaseHold& lease,
               const std::stop_token& stop);
    // Opens the ingest `ref`, waiting while another process writes it: check adopt() again afterwards.
    BlobWriter ingest(const std::string& ref, const oci::Descriptor& descriptor, LeaseHold& lease,
                      const std::stop_token& stop);

    // Reads the blob's file and moves it to the trash when it is not what its digest says; its rows stay, for whoever
    // fetches it anew. True when there is no file (any more).
    bool discard_damaged(const oci::Digest& digest, const std::stop_token& stop);

    void label(const oci::Digest& digest, const oci::Labels& changes);
    // False when there is none. The file stays until garbage collection.
    bool remove(const oci::Digest& digest);
    // Ingests of this namespace, live or resumable.
    std::vector<IngestStatus> active();

private:
    Store& store_;
    std::string namespace_;
};

// The ref of an ingest on disk.
std::string ingest_ref(const std::string& name_space, const std::string& ref);

} // namespace lade::store
