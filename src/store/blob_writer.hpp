// SPDX-License-Identifier: Apache-2.0
// A blob on its way into a namespace: bytes, and at the end file and row together (containerd-store.md 2.4, 4.3).
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "base/fd.hpp"
#include "base/stream.hpp"
#include "content/ingest.hpp"
#include "oci/digest.hpp"
#include "oci/labels.hpp"
#include "store/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using content::IngestStatus;

// What is known of a blob before it is written.
struct WriterOptions {
    std::string ref;
    std::optional<oci::Digest> digest;
    std::uint64_t size = 0; // 0: unknown
    bool resumable = true;  // false: its bytes are worth nothing once this process is gone
};

// What a commit asks of the bytes, and the labels it gives to the blob.
struct Commit {
    std::uint64_t size = 0;            // 0: any
    std::optional<oci::Digest> digest; // nullopt: any
    oci::Labels labels;
};

// How a writer takes what is there already, and bytes that are not what commit() asks for.
enum class WriteMode {
    strict,   // already_exists; failed_precondition, and the bytes stay: the next writer of the ref goes on with them
    download, // a blob that is there is as good; data_loss, and the bytes go, so that they spoil no later attempt
};

// How a writer came by the bytes of a file.
enum class Taken { not_at_all, cloned, linked };

// Made by Blobs::writer() and Blobs::ingest(). One thread at a time. While it is open nobody else writes its ref, in
// any process; its ingest is held by the lease. When the process dies the bytes stay, to be gone on with. They are
// worth that for 24 hours: unlike containerd's, every ingest has that expiry, with a lease or without, because the
// lease of a killed process dies with it. Ones that are not resumable have none and go with that lease.
//
// A writer of a blob that the namespace may have without presenting its bytes (obtainable_size()) is complete from the
// start: nothing need be written, and commit() records the blob. Whatever is written to it all the same comes after
// the blob's bytes and makes another blob; the old one is as it was.
class BlobWriter final : public Sink {
public:
    // `stop` ends every wait and every copy.
    BlobWriter(Store& store, std::string name_space, LeaseHold& lease, WriteMode mode, content::Ingest ingest,
               bool resumable, std::stop_token stop);
    BlobWriter(BlobWriter&&) = default;

    // Of the bytes so far, also those of an earlier attempt, which were hashed again.
    std::uint64_t offset() const { return status().offset; }
    // `ref` as it was given. failed_precondition: closed, as with all that follows.
    IngestStatus status() const;
    oci::Digest digest() const;
    // The bytes are worth something after a failure.
    bool is_resumable() const noexcept { return resumable_; }
    // Nothing need be written.
    bool is_shared() const noexcept { return shared_.has_value(); }

    void write(std::span<const std::byte> bytes) override;
    // Keeps the first `size` bytes; invalid_argument: there are fewer.
    void truncate(std::uint64_t size);
    // Makes the bytes those of a file without a copy, as content::Ingest has it, if it can be; `may_link`: by a hard
    // link, if not by a reflink. For a `download`.
    Taken take(int file, bool may_link, const content::Told& told);
    // Makes the bytes those of `source`. What is there already is compared, and serves as far as it is the same.
    void write_all_of(Source& source);
    // Reads behind the writer, from the start.
    content::Follower follow() const { return open_ingest().follow(stop_); }

    // Makes the blob and its row, and leases it; the ingest goes. Returns its digest. A `strict` writer is closed by it
    // whatever happens, a `download` can be abandoned after a failure. invalid_argument: a label is too long. On a
    // mismatch or a blob that the namespace has already see WriteMode; a `download` merges the labels into those that
    // the blob has, `strict` leaves them as they are and leases the blob all the same. unavailable: another process
    // took the shared blob away this moment.
    oci::Digest commit(const Commit& commit);
    // The bytes stay for a later writer. Once is enough.
    void close() noexcept { ingest_.reset(); }
    // The ingest goes: somebody else's blob serves, or its bytes are spoilt. Once is enough, but after a failure.
    void abandon();

private:
    friend class Blobs;
    struct Shared {
        oci::Digest digest;
        std::uint64_t size;
        Fd file;
    };

    void require_open() const;
    const content::Ingest& open_ingest() const;
    content::Ingest& open_ingest();
    std::string ref() const;
    oci::Digest verify(const Commit& commit);
    oci::Digest verify_bytes(const Commit& commit, ErrorKind otherwise);
    oci::Digest verify_shared(const Commit& commit) const;
    // Writes the first `size` bytes of the shared blob; from now on this is an ordinary writer.
    void copy_shared(std::uint64_t size);
    // False when the namespace had the blob.
    bool record(const oci::Digest& digest, const oci::Labels& labels);
    void remove_row(const std::string& ref);

    Store* store_;
    std::string namespace_;
    LeaseHold* lease_;
    WriteMode mode_;
    bool resumable_;
    std::stop_token stop_;
    std::optional<content::Ingest> ingest_; // nullopt: closed
    std::optional<Shared> shared_;
};

// The ref of an ingest on disk, and back.
std::string ingest_ref(const std::string& name_space, const std::string& ref);

} // namespace lade::store
