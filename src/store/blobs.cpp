// SPDX-License-Identifier: Apache-2.0
#include "store/blobs.hpp"

#include <sys/stat.h>

#include <utility>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "meta/namespaces.hpp"

namespace lade::store {

namespace {

// containerd's: an interrupted download is worth resuming for a day.
constexpr auto ingest_expiry = std::chrono::hours(24);

bool same_file(const Fd& one, const Fd& other) {
    struct stat a {};
    struct stat b {};
    return ::fstat(one.get(), &a) == 0 && ::fstat(other.get(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool is_whole(const Fd& file, const oci::Digest& digest, const std::stop_token& stop) {
    FileSource source(file.get(), digest.string());
    oci::HashingSource hashed(source, digest.algorithm());
    std::vector<std::byte> buffer(256 * kib);
    try {
        while (hashed.read(buffer) > 0)
            check_stop(stop);
    } catch (const Error& error) {
        // A disk that cannot give its bytes back.
        if (error.kind() == ErrorKind::data_loss)
            return false;
        throw;
    }
    return hashed.digest() == digest;
}

bool durable(const Store& store) {
    return store.sync() != Sync::none;
}

} // namespace

std::string ingest_ref(const std::string& name_space, const std::string& ref) {
    return cat(name_space, '/', ref);
}

BlobWriter::BlobWriter(Store& store, std::string name_space, std::string ref, oci::Descriptor descriptor,
                       LeaseHold& lease, content::Ingest ingest)
    : store_(&store),
      namespace_(std::move(name_space)),
      ref_(std::move(ref)),
      descriptor_(std::move(descriptor)),
      lease_(&lease),
      ingest_(std::move(ingest)) {}

void BlobWriter::remove_row() {
    meta::Content(store_->database(), namespace_).remove_ingest(ref_);
    lease_->drop({.type = "ingests", .key = ref_});
}

void BlobWriter::commit(const oci::Labels& labels, const std::stop_token& stop) {
    try {
        ingest_.verify(descriptor_.size, descriptor_.digest, durable(*store_));
    } catch (const Error&) {
        attempt([&] { abandon(); });
        throw;
    }
    {
        const FileLock publishing = store_->publish_lock(LockMode::shared, stop);
        ingest_.publish(store_->files(), descriptor_.digest, durable(*store_));
        meta::Transaction transaction(store_->database());
        meta::Content(store_->database(), namespace_).put(descriptor_.digest, descriptor_.size, labels);
        lease_->add({.type = "content", .key = descriptor_.digest.string()});
        remove_row();
        transaction.commit();
    }
    gone_ = true;
    ingest_.remove();
}

void BlobWriter::abandon() {
    // Under the same name another process may be writing by now.
    if (std::exchange(gone_, true))
        return;
    // Before the row, which needs room on a disk that this ingest may have filled.
    ingest_.discard();
    {
        meta::Transaction transaction(store_->database());
        remove_row();
        transaction.commit();
    }
    ingest_.remove();
}

std::vector<Blob> Blobs::list() {
    return meta::Content(store_.database(), namespace_).list();
}

std::optional<Blob> Blobs::find(const oci::Digest& digest) {
    return meta::Content(store_.database(), namespace_).find(digest);
}

Fd Blobs::open(const oci::Digest& digest) {
    const auto blob = find(digest);
    if (!blob)
        throw Error(ErrorKind::not_found, "content ", digest, " not found");
    auto file = store_.files().find(digest);
    if (!file)
        throw Error(ErrorKind::data_loss, "content ", digest, ": its file is missing");
    struct stat st {};
    if (::fstat(file->get(), &st) != 0 || static_cast<std::uint64_t>(st.st_size) != blob->size)
        throw Error(ErrorKind::data_loss, "content ", digest, ": its file has ", st.st_size, " bytes, not ",
                    blob->size);
    return std::move(*file);
}

std::string Blobs::read_document(const oci::Descriptor& descriptor) {
    const Fd file = open(descriptor.digest);
    std::string text = read_text(file.get(), oci::max_document, descriptor.digest.string());
    oci::Hasher hasher(descriptor.digest.algorithm());
    hasher.update(as_bytes(text));
    if (hasher.finish() != descriptor.digest)
        throw Error(ErrorKind::data_loss, "content ", descriptor.digest, ": its file has other content");
    return text;
}

bool Blobs::adopt(const oci::Descriptor& descriptor, const oci::Labels& labels, LeaseHold& lease,
                  const std::stop_token& stop) {
    meta::Content content(store_.database(), namespace_);
    const auto shared = content.shared_size(descriptor.digest);
    if (!shared)
        return false;
    if (*shared != descriptor.size)
        throw Error(ErrorKind::data_loss, descriptor.digest, ": has ", *shared, " bytes, the descriptor says ",
                    descriptor.size);
    // The lock keeps a collection from taking the file between the look and the row.
    const FileLock publishing = store_.publish_lock(LockMode::shared, stop);
    if (store_.files().size(descriptor.digest) != descriptor.size)
        return false;
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    content.put(descriptor.digest, descriptor.size, labels);
    lease.add({.type = "content", .key = descriptor.digest.string()});
    transaction.commit();
    return true;
}

BlobWriter Blobs::ingest(const std::string& ref, const oci::Descriptor& descriptor, LeaseHold& lease,
                         const std::stop_token& stop) {
    content::Ingest ingest = content::Ingest::open(store_.files(), ingest_ref(namespace_, ref), descriptor.size,
                                                   descriptor.digest.algorithm(), stop);
    // The row comes after the lock: whoever had the lock before us removed the row with its ingest.
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Content(store_.database(), namespace_)
        .put_ingest({.ref = ref, .expected = descriptor.digest.string(), .expires = now() + ingest_expiry});
    lease.add({.type = "ingests", .key = ref});
    transaction.commit();
    return {store_, namespace_, ref, descriptor, lease, std::move(ingest)};
}

bool Blobs::discard_damaged(const oci::Digest& digest, const std::stop_token& stop) {
    const auto file = store_.files().find(digest);
    if (!file)
        return true;
    if (is_whole(*file, digest, stop))
        return false;
    const FileLock publishing = store_.publish_lock(LockMode::exclusive, stop);
    // Another process may have put a good one in its place.
    if (const auto current = store_.files().find(digest); current && same_file(*current, *file))
        store_.files().discard(digest, store_.trash(), Store::trash_name(digest.hex()));
    return true;
}

void Blobs::label(const oci::Digest& digest, const oci::Labels& changes) {
    meta::Transaction transaction(store_.database());
    if (!meta::Content(store_.database(), namespace_).label(digest, changes))
        throw Error(ErrorKind::not_found, "content ", digest, " not found");
    transaction.commit();
}

bool Blobs::remove(const oci::Digest& digest) {
    meta::Transaction transaction(store_.database());
    const bool removed = meta::Content(store_.database(), namespace_).remove(digest);
    transaction.commit();
    return removed;
}

std::vector<IngestStatus> Blobs::active() {
    const std::string prefix = ingest_ref(namespace_, "");
    std::vector<IngestStatus> mine;
    for (IngestStatus& status : content::list_ingests(store_.files()))
        if (status.ref.starts_with(prefix)) {
            status.ref.erase(0, prefix.size());
            mine.push_back(std::move(status));
        }
    return mine;
}

} // namespace lade::store
