// SPDX-License-Identifier: Apache-2.0
// The content of one namespace: files and their rows together (containerd-store.md 2.4, 4). It sees only what is
// recorded in its namespace, whoever else has the file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/filter.hpp"
#include "meta/content.hpp"
#include "oci/manifest.hpp"
#include "store/blob_writer.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Blob;

struct LabelledBlob {
    oci::Descriptor descriptor;
    oci::Labels labels;
};

class Blobs {
public:
    Blobs(Store& store, std::string name_space) : store_(store), namespace_(std::move(name_space)) {}

    // In byte order of the digest.
    std::vector<Blob> list(const Filter& filter = {});
    std::optional<Blob> find(const oci::Digest& digest);
    // not_found names it.
    Blob get(const oci::Digest& digest);
    // not_found: not in this namespace; data_loss: its file is missing or has another size.
    Fd open(const oci::Digest& digest);
    // The text of an index, manifest or config, verified while reading.
    std::string read_document(const oci::Descriptor& descriptor);

    // Sets each label; an empty value removes its key. not_found.
    void label(const oci::Digest& digest, const oci::Labels& changes);
    // The same for several at once; those that are not recorded here are passed over, those that have the labels are
    // left as they are.
    void label(const std::map<oci::Digest, oci::Labels>& changes);
    // By field path: "labels", "labels.<key>"; without any, all labels are replaced. What it is now. not_found;
    // invalid_argument: another path, or a label too long.
    Blob update(const oci::Digest& digest, const oci::Labels& labels, const std::vector<std::string>& paths = {});
    // False when there is none. The file stays until garbage collection. The lease `lease`, if one is named, lets go of
    // it; not_found when there is no such lease.
    bool remove(const oci::Digest& digest, const std::string& lease = {});

    // Opens the ingest `options.ref`, which no other writer may hold: unavailable says so, or with `wait` it is waited
    // for. already_exists: the namespace has the blob `options.digest`; the lease holds it from now on.
    // invalid_argument: no ref. See BlobWriter for what may be had without writing.
    BlobWriter writer(const WriterOptions& options, LeaseHold& lease, const std::stop_token& stop, bool wait = false);

    // The bytes of `source` as a blob, held by the lease. A blob `options.digest` that the namespace has, or may have,
    // is as good: `source` is not read then. Labels are merged into those that a blob has already. Waits while somebody
    // else writes the ref, goes on with the bytes of an earlier attempt as far as they are the same, and keeps them if
    // resumable when it fails. failed_precondition: not the size or the digest of `options`.
    oci::Digest put(Source& source, const WriterOptions& options, const oci::Labels& labels, LeaseHold& lease,
                    const std::stop_token& stop);

    // What `write` pushes as a blob with the labels that it returns; the same, but nothing of an earlier attempt
    // serves, and nothing is left of one that fails; of one that is killed, nothing after the next collection.
    oci::Digest put(const std::function<oci::Labels(Sink&)>& write, const std::string& ref, LeaseHold& lease,
                    const std::stop_token& stop);

    // True when the namespace has the blob now: it had, or took over the shared file of another one with
    // the same digest and size, if it may (obtainable_size()). The lease holds it, `labels` are merged in. data_loss:
    // it has another size than the descriptor says.
    bool adopt(const oci::Descriptor& descriptor, const oci::Labels& labels, LeaseHold& lease,
               const std::stop_token& stop);
    // Records blobs of the namespace `from` of this store here, all of them or none; whoever names it has their bytes
    // to present, so that no policy is asked. The lease holds them, the labels are merged in. not_found: one is no
    // longer there; data_loss: the file of one is not there, or has another size.
    void take_over(const std::string& from, const std::vector<LabelledBlob>& blobs, LeaseHold& lease,
                   const std::stop_token& stop);
    // False when the disk is so full that the next command may not be able to write its rows.
    bool has_room() const;
    // True when the blob is recorded here with this size, and its file has it. Nothing is read.
    bool is_whole(const oci::Descriptor& descriptor);
    // The lease holds these from now on, those that are not there yet as soon as they are.
    void hold(const std::vector<oci::Descriptor>& blobs, LeaseHold& lease);
    // A writer for the blob's bytes in any case, of WriteMode::download. Waits while another process writes `ref`:
    // check adopt() again afterwards. `resumable` as WriterOptions has it; bytes that somebody else left to be gone on
    // with stay that.
    BlobWriter ingest(const std::string& ref, const oci::Descriptor& descriptor, LeaseHold& lease,
                      const std::stop_token& stop, bool resumable = true);

    // Reads the blob's file and moves it to the trash when it is not what its digest says; its rows stay, for whoever
    // fetches it anew. True when there is no file (any more).
    bool discard_damaged(const oci::Digest& digest, const std::stop_token& stop);

    // Ingests of this namespace, being written or resumable, in byte order of the ref.
    std::vector<IngestStatus> active(const Filter& filter = {});
    // not_found: no such ingest.
    IngestStatus status(const std::string& ref);
    // The ingest goes with its bytes, and the lease `lease`, if one is named, lets go of it. not_found; unavailable:
    // unlike containerd, one that is being written is left alone.
    void abort(const std::string& ref, const std::string& lease = {});

private:
    // What may be had without presenting it, as BlobWriter has it.
    std::optional<BlobWriter::Shared> find_shared(const WriterOptions& options);
    // True when the namespace has it, file and all: the lease holds it from now on.
    bool hold_existing(const oci::Digest& digest, LeaseHold& lease);
    BlobWriter open_writer(const WriterOptions& options, WriteMode mode, LeaseHold& lease, content::Ingest ingest,
                           const std::stop_token& stop);
    void let_go(const std::string& lease, const LeaseResource& resource);

    Store& store_;
    std::string namespace_;
};

} // namespace lade::store
