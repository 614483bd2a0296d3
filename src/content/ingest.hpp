// SPDX-License-Identifier: Apache-2.0
// A blob on its way in: not yet verified, resumable, locked by the process that writes it. On disk it is a directory of
// ingest_files.hpp, with checkpoints.hpp's file in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/locks.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "content/blobs.hpp"
#include "content/follower.hpp"
#include "content/ingest_files.hpp"
#include "oci/digest.hpp"

namespace lade::content {

// What the bytes of an ingest have to be, as far as it is known.
struct Expected {
    std::uint64_t size = 0; // 0: any
    std::optional<oci::Digest> digest;
    ErrorKind otherwise = ErrorKind::data_loss; // of the error that a mismatch is
};

// Is told of so many bytes more.
using Told = std::function<void(std::uint64_t)>;

class Ingest final : public Sink {
public:
    // Opens or makes the ingest `ref` and takes its lock, waiting while another process has it. Bytes that
    // are there from before are hashed again, not trusted: those that are no longer what was written, or may not be
    // because the machine stopped in between, are cut off as far back as the last checkpoint. An ingest for another ref
    // or total, or longer than `total`, starts over. `total` 0 means unknown: one that is stored holds then.
    static Ingest open(const Blobs& blobs, const std::string& ref, std::uint64_t total, oci::Algorithm algorithm,
                       const std::stop_token& stop);
    // As open(), but nullopt when somebody else writes it.
    static std::optional<Ingest> try_open(const Blobs& blobs, const std::string& ref, std::uint64_t total,
                                          oci::Algorithm algorithm, const std::stop_token& stop);
    Ingest(Ingest&&) noexcept = default;
    Ingest& operator=(Ingest&&) = delete;
    // Keeps the bytes for a later resume; followers fail unless publish() succeeded.
    ~Ingest() override;

    std::uint64_t offset() const noexcept { return status_.offset; }
    // `updated` is the time of the last write, also of one before a resume.
    const IngestStatus& status() const noexcept { return status_; }
    // Of the bytes so far.
    oci::Digest digest() const { return hasher_->so_far(); }
    Follower follow(const std::stop_token& stop) const;
    // The bytes so far, for reading at any place.
    Fd reader() const;
    void write(std::span<const std::byte> bytes) override;
    // Keeps the first `size` bytes, of at least as many, and hashes them anew.
    void truncate(std::uint64_t size, const std::stop_token& stop);
    // Throws the bytes away and starts at zero, under the same lock.
    void restart();

    // Makes the bytes those of the file `from` without a copy: both share blocks until one of them is written to, which
    // a blob never is. Then hashes them; `told` is how many more of them, as often as it reads some. False, and all is
    // as it was, where the file systems cannot do that.
    bool clone(int from, const Told& told, const std::stop_token& stop);
    // The same by making `from` itself, by a further name, what is published. It is never written to here: what may
    // follow is verify(), publish(), restart(), discard() and remove(). False, and all is as it was, unless it is a
    // file of this user that nobody can write to, on the same file system, which can give it another name.
    bool link(int from, const Told& told, const std::stop_token& stop);

    // Checks what is expected and syncs the data if `durable`; the digest of the bytes. A mismatch names both sides;
    // the caller decides whether the bytes stay, restart() or remove(). A digest of another algorithm than the one that
    // was opened with costs another reading of the bytes.
    oci::Digest verify(const Expected& expected, bool durable, const std::stop_token& stop);
    // After verify(), under the publish lock: the data becomes the blob. Followers reach their end.
    void publish(const Blobs& blobs, const oci::Digest& digest, bool durable);
    // Gives the bytes' room back at once and fails the followers; remove() takes the rest.
    void discard();
    // Removes the ingest from disk; also after publish().
    void remove();

private:
    static constexpr const char* linked_name = "linked";

    Ingest(FileLock lock, int parent, std::string name);
    static Ingest resume(FileLock lock, const Blobs& blobs, const std::string& ref, std::uint64_t total,
                         oci::Algorithm algorithm, const std::stop_token& stop);
    // Hashes what is there from before, as far as it can be relied on (checkpoints.hpp), and cuts off the rest.
    void take_up(const std::stop_token& stop);
    void hash_to(std::uint64_t end, const Told& told, const std::stop_token& stop);
    void rehash(const Told& told, const std::stop_token& stop);
    // What holds the bytes: the file that is written, or the one that is linked in its place.
    int bytes() const noexcept { return linked_ ? linked_.get() : data_.get(); }
    // As if all had been written just now.
    void take(const Told& told, const std::stop_token& stop);
    void drop_link() noexcept;
    void empty();
    // From here on bytes are written behind those that are hashed.
    void go_on();

    FileLock lock_; // on the ingest's directory, whose descriptor it holds
    int parent_;
    std::string name_;
    Fd data_;
    Fd linked_; // for reading; see link()
    IngestStatus status_;
    oci::Algorithm algorithm_ = oci::Algorithm::sha256;
    std::unique_ptr<oci::Hasher> hasher_;
    std::uint64_t noted_ = 0; // the last checkpoint
    std::shared_ptr<Tail> tail_ = std::make_shared<Tail>();
};

} // namespace lade::content
