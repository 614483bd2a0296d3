// SPDX-License-Identifier: Apache-2.0
#include "store/blobs.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "meta/namespaces.hpp"
#include "store/fields.hpp"
#include "store/settings.hpp"

namespace lade::store {

namespace {

// containerd's: an interrupted download is worth resuming for a day.
constexpr auto ingest_expiry = std::chrono::hours(24);
constexpr std::uint64_t room_for_rows = 1 * mib;

bool same_file(const Fd& one, const Fd& other) {
    struct stat a {};
    struct stat b {};
    return ::fstat(one.get(), &a) == 0 && ::fstat(other.get(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool has_digest(const Fd& file, const oci::Digest& digest, const std::stop_token& stop) {
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

oci::Algorithm algorithm_of(const std::optional<oci::Digest>& digest) {
    return digest ? digest->algorithm() : oci::Algorithm::sha256;
}

[[noreturn]] void refuse_held(const Store& store, const std::string& name_space, const std::string& ref) {
    const std::string name = content::ingest_name(ingest_ref(name_space, ref));
    throw Error(ErrorKind::unavailable, "ingest ", printable(ref), ": ", content::ingest_holders(store.files(), name),
                " is writing it");
}

[[noreturn]] void refuse_existing(const oci::Digest& digest) {
    throw Error(ErrorKind::already_exists, "content ", digest, " already exists");
}

// Ends a source that gives more than was announced before it fills the disk.
class AtMost final : public Source {
public:
    // `size` 0: nothing was announced.
    AtMost(Source& inner, std::uint64_t size) : inner_(inner), size_(size) {}
    std::size_t read(std::span<std::byte> into) override {
        const std::size_t n = inner_.read(into);
        seen_ += n;
        if (size_ != 0 && seen_ > size_)
            throw Error(ErrorKind::failed_precondition, "more than the ", size_, " bytes that were announced");
        return n;
    }

private:
    Source& inner_;
    std::uint64_t size_;
    std::uint64_t seen_ = 0;
};

} // namespace

std::vector<Blob> Blobs::list(const Filter& filter) {
    std::vector<Blob> blobs = meta::Content(store_.database(), namespace_).list();
    std::erase_if(blobs, [&](const Blob& blob) { return !filter.matches(fields(blob)); });
    return blobs;
}

std::optional<Blob> Blobs::find(const oci::Digest& digest) {
    return meta::Content(store_.database(), namespace_).find(digest);
}

Blob Blobs::get(const oci::Digest& digest) {
    return meta::Content(store_.database(), namespace_).get(digest);
}

Fd Blobs::open(const oci::Digest& digest) {
    const Blob blob = get(digest);
    auto file = store_.files().find(digest);
    if (!file)
        throw Error(ErrorKind::data_loss, "content ", digest, ": its file is missing");
    struct stat st {};
    if (::fstat(file->get(), &st) != 0 || static_cast<std::uint64_t>(st.st_size) != blob.size)
        throw Error(ErrorKind::data_loss, "content ", digest, ": its file has ", st.st_size, " bytes, not ", blob.size);
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
    const auto size = obtainable_size(store_, namespace_, descriptor.digest);
    if (!size)
        return false;
    if (*size != descriptor.size)
        throw Error(ErrorKind::data_loss, descriptor.digest, ": has ", *size, " bytes, the descriptor says ",
                    descriptor.size);
    // The lock keeps a collection from taking the file between the look and the row.
    const FileLock publishing = store_.publish_lock(LockMode::shared, stop);
    if (store_.files().size(descriptor.digest) != descriptor.size)
        return false;
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Content(store_.database(), namespace_).put(descriptor.digest, descriptor.size, labels);
    lease.add({.type = "content", .key = descriptor.digest.string()});
    transaction.commit();
    return true;
}

void Blobs::take_over(const std::string& from, const std::vector<LabelledBlob>& blobs, LeaseHold& lease,
                      const std::stop_token& stop) {
    Blobs source(store_, from);
    const FileLock publishing = store_.publish_lock(LockMode::shared, stop);
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Content content(store_.database(), namespace_);
    for (const LabelledBlob& blob : blobs) {
        check_stop(stop);
        const oci::Digest& digest = blob.descriptor.digest;
        static_cast<void>(source.open(digest));
        if (const std::uint64_t size = source.get(digest).size; size != blob.descriptor.size)
            throw Error(ErrorKind::data_loss, "content ", digest, ": has ", size, " bytes, the descriptor says ",
                        blob.descriptor.size);
        content.put(digest, blob.descriptor.size, blob.labels);
        lease.add({.type = "content", .key = digest.string()});
    }
    transaction.commit();
}

bool Blobs::has_room() const {
    return free_bytes(store_.files().directory()) >= room_for_rows;
}

bool Blobs::is_whole(const oci::Descriptor& descriptor) {
    const auto blob = find(descriptor.digest);
    return blob && blob->size == descriptor.size && store_.files().size(descriptor.digest) == descriptor.size;
}

void Blobs::hold(const std::vector<oci::Descriptor>& blobs, LeaseHold& lease) {
    meta::Transaction transaction(store_.database());
    for (const oci::Descriptor& blob : blobs)
        lease.add({.type = "content", .key = blob.digest.string()});
    transaction.commit();
}

BlobWriter Blobs::ingest(const std::string& ref, const oci::Descriptor& descriptor, LeaseHold& lease,
                         const std::stop_token& stop, bool resumable) {
    return open_writer({.ref = ref, .digest = descriptor.digest, .size = descriptor.size, .resumable = resumable},
                       WriteMode::download, lease,
                       content::Ingest::open(store_.files(), ingest_ref(namespace_, ref), descriptor.size,
                                             descriptor.digest.algorithm(), stop),
                       stop);
}

BlobWriter Blobs::writer(const WriterOptions& options, LeaseHold& lease, const std::stop_token& stop, bool wait) {
    if (options.ref.empty())
        throw Error(ErrorKind::invalid_argument, "an ingest needs a ref");
    if (options.digest && hold_existing(*options.digest, lease))
        refuse_existing(*options.digest);
    auto shared = find_shared(options);
    WriterOptions known = options;
    if (shared)
        known.size = shared->size;

    const std::string name = ingest_ref(namespace_, options.ref);
    auto ingest = content::Ingest::try_open(store_.files(), name, known.size, algorithm_of(known.digest), stop);
    if (!ingest && !wait)
        refuse_held(store_, namespace_, options.ref);
    if (!ingest)
        ingest.emplace(content::Ingest::open(store_.files(), name, known.size, algorithm_of(known.digest), stop));
    BlobWriter writer = open_writer(known, WriteMode::strict, lease, *std::move(ingest), stop);
    // Whoever held it may have made the very blob.
    if (options.digest && hold_existing(*options.digest, lease)) {
        writer.abandon();
        refuse_existing(*options.digest);
    }
    if (shared) {
        writer.truncate(0);
        writer.shared_ = std::move(shared);
    }
    return writer;
}

oci::Digest Blobs::put(Source& source, const WriterOptions& options, const oci::Labels& labels, LeaseHold& lease,
                       const std::stop_token& stop) {
    std::optional<oci::Digest> digest = options.digest;
    try {
        BlobWriter bytes = writer(options, lease, stop, true);
        if (!bytes.is_shared()) {
            AtMost bounded(source, options.size);
            try {
                bytes.write_all_of(bounded);
            } catch (const Error&) {
                if (!bytes.is_resumable())
                    attempt([&] { bytes.abandon(); });
                throw;
            }
        }
        if (!digest)
            digest = bytes.digest();
        bytes.commit({.size = options.size, .digest = options.digest, .labels = labels});
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::already_exists)
            throw;
        label(*digest, labels);
    }
    return *digest;
}

oci::Digest Blobs::put(const std::function<oci::Labels(Sink&)>& write, const std::string& ref, LeaseHold& lease,
                       const std::stop_token& stop) {
    BlobWriter bytes = writer({.ref = ref, .digest = std::nullopt, .size = 0, .resumable = false}, lease, stop, true);
    std::optional<oci::Digest> digest;
    oci::Labels labels;
    try {
        bytes.truncate(0);
        labels = write(bytes);
        digest = bytes.digest();
    } catch (const Error&) {
        attempt([&] { bytes.abandon(); });
        throw;
    }
    try {
        bytes.commit({.size = 0, .digest = std::nullopt, .labels = labels});
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::already_exists)
            throw;
        label(*digest, labels);
    }
    return *digest;
}

std::optional<BlobWriter::Shared> Blobs::find_shared(const WriterOptions& options) {
    if (!options.digest)
        return std::nullopt;
    const auto size = obtainable_size(store_, namespace_, *options.digest);
    if (!size || (options.size != 0 && options.size != *size))
        return std::nullopt;
    auto file = store_.files().find(*options.digest);
    if (!file)
        return std::nullopt;
    return BlobWriter::Shared{.digest = *options.digest, .size = *size, .file = *std::move(file)};
}

bool Blobs::hold_existing(const oci::Digest& digest, LeaseHold& lease) {
    meta::Transaction transaction(store_.database());
    // Inside it: what a collection takes is not held, and one whose file is lost is there to be made anew.
    if (const auto blob = find(digest); !blob || store_.files().size(digest) != blob->size)
        return false;
    lease.add({.type = "content", .key = digest.string()});
    transaction.commit();
    return true;
}

BlobWriter Blobs::open_writer(const WriterOptions& options, WriteMode mode, LeaseHold& lease, content::Ingest ingest,
                              const std::stop_token& stop) {
    // The row comes after the lock: whoever had the lock before us removed the row with its ingest.
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Content content(store_.database(), namespace_);
    // Somebody else's download that broke off stays one, whoever goes on with it.
    const bool resumable = options.resumable || (ingest.offset() > 0 && content.is_resumable(options.ref));
    content.put_ingest({.ref = options.ref,
                        .expected = options.digest ? std::optional(options.digest->string()) : std::nullopt,
                        .expires = resumable ? std::optional(now() + ingest_expiry) : std::nullopt});
    const LeaseResource held{.type = "ingests", .key = options.ref};
    if (resumable)
        lease.add(held);
    else
        lease.add_own(held);
    transaction.commit();
    return {store_, namespace_, lease, mode, std::move(ingest), resumable, stop};
}

bool Blobs::discard_damaged(const oci::Digest& digest, const std::stop_token& stop) {
    const auto file = store_.files().find(digest);
    if (!file)
        return true;
    if (has_digest(*file, digest, stop))
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

void Blobs::label(const std::map<oci::Digest, oci::Labels>& changes) {
    meta::Content content(store_.database(), namespace_);
    std::vector<std::pair<oci::Digest, oci::Labels>> wanted;
    for (const auto& [digest, labels] : changes)
        if (const auto blob = content.find(digest); blob && !std::ranges::includes(blob->labels, labels))
            wanted.emplace_back(digest, labels);
    if (wanted.empty())
        return;
    meta::Transaction transaction(store_.database());
    for (const auto& [digest, labels] : wanted)
        content.label(digest, labels);
    transaction.commit();
}

Blob Blobs::update(const oci::Digest& digest, const oci::Labels& labels, const std::vector<std::string>& paths) {
    meta::Transaction transaction(store_.database());
    Blob blob = meta::Content(store_.database(), namespace_).update(digest, labels, paths);
    transaction.commit();
    return blob;
}

bool Blobs::remove(const oci::Digest& digest, const std::string& lease) {
    meta::Transaction transaction(store_.database());
    const bool removed = meta::Content(store_.database(), namespace_).remove(digest);
    let_go(lease, {.type = "content", .key = digest.string()});
    transaction.commit();
    return removed;
}

void Blobs::let_go(const std::string& lease, const LeaseResource& resource) {
    if (!lease.empty())
        meta::Leases(store_.database(), namespace_).drop(lease, resource);
}

std::vector<IngestStatus> Blobs::active(const Filter& filter) {
    const std::string prefix = ingest_ref(namespace_, "");
    std::vector<IngestStatus> mine;
    for (IngestStatus& status : content::list_ingests(store_.files())) {
        if (!status.ref.starts_with(prefix))
            continue;
        status.ref.erase(0, prefix.size());
        if (filter.matches(fields(status)))
            mine.push_back(std::move(status));
    }
    std::ranges::sort(mine, {}, &IngestStatus::ref);
    return mine;
}

IngestStatus Blobs::status(const std::string& ref) {
    auto status = content::find_ingest(store_.files(), ingest_ref(namespace_, ref));
    if (!status)
        throw Error(ErrorKind::not_found, "ingest ", printable(ref), " not found");
    status->ref = ref;
    return *std::move(status);
}

void Blobs::abort(const std::string& ref, const std::string& lease) {
    const std::string name = ingest_ref(namespace_, ref);
    const bool on_disk = content::find_ingest(store_.files(), name).has_value();
    const bool dead = content::remove_dead_ingest(store_.files(), content::ingest_name(name), [&] {
        meta::Transaction transaction(store_.database());
        if (!meta::Content(store_.database(), namespace_).remove_ingest(ref) && !on_disk)
            throw Error(ErrorKind::not_found, "ingest ", printable(ref), " not found");
        let_go(lease, {.type = "ingests", .key = ref});
        transaction.commit();
    });
    if (!dead)
        refuse_held(store_, namespace_, ref);
}

} // namespace lade::store
