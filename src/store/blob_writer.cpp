// SPDX-License-Identifier: Apache-2.0
#include "store/blob_writer.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "meta/content.hpp"
#include "meta/namespaces.hpp"

namespace lade::store {

namespace {

constexpr std::size_t buffer_size = 1 * mib;

bool durable(const Store& store) {
    return store.sync() != Sync::none;
}

} // namespace

std::string ingest_ref(const std::string& name_space, const std::string& ref) {
    return cat(name_space, '/', ref);
}

BlobWriter::BlobWriter(Store& store, std::string name_space, LeaseHold& lease, WriteMode mode, content::Ingest ingest,
                       bool resumable, std::stop_token stop)
    : store_(&store),
      namespace_(std::move(name_space)),
      lease_(&lease),
      mode_(mode),
      resumable_(resumable),
      stop_(std::move(stop)),
      ingest_(std::move(ingest)) {}

void BlobWriter::require_open() const {
    if (!ingest_)
        throw Error(ErrorKind::failed_precondition, "the writer of the ingest is closed");
}

const content::Ingest& BlobWriter::open_ingest() const {
    require_open();
    return *ingest_;
}

content::Ingest& BlobWriter::open_ingest() {
    require_open();
    return *ingest_;
}

std::string BlobWriter::ref() const {
    return open_ingest().status().ref.substr(ingest_ref(namespace_, "").size());
}

IngestStatus BlobWriter::status() const {
    IngestStatus status = open_ingest().status();
    status.ref = ref();
    if (shared_)
        status.offset = status.total = shared_->size;
    return status;
}

oci::Digest BlobWriter::digest() const {
    return shared_ ? shared_->digest : open_ingest().digest();
}

void BlobWriter::write(std::span<const std::byte> bytes) {
    if (shared_ && !bytes.empty())
        copy_shared(shared_->size);
    open_ingest().write(bytes);
}

void BlobWriter::truncate(std::uint64_t size) {
    if (size > offset())
        throw Error(ErrorKind::invalid_argument, "ingest ", printable(ref()), ": has ", offset(), " bytes, not ", size);
    if (shared_)
        copy_shared(size);
    else
        open_ingest().truncate(size, stop_);
}

void BlobWriter::write_all_of(Source& source) {
    const Fd before = shared_ ? Fd() : open_ingest().reader();
    const int known = shared_ ? shared_->file.get() : before.get();
    std::vector<std::byte> bytes(buffer_size);
    std::vector<std::byte> there(buffer_size);
    std::uint64_t same = 0;
    std::span<const std::byte> rest;
    while (same < offset()) {
        check_stop(stop_);
        rest = std::span(bytes).first(source.read(bytes));
        if (rest.empty())
            break;
        const std::size_t n = read_some_at(known, std::span(there).first(rest.size()), same, "ingest");
        const auto differs =
            std::mismatch(rest.begin(), rest.end(), there.begin(), there.begin() + static_cast<std::ptrdiff_t>(n))
                .first;
        const auto equal = static_cast<std::size_t>(differs - rest.begin());
        rest = rest.subspan(equal);
        same += equal;
        if (!rest.empty())
            break;
    }
    if (same < offset())
        truncate(same);
    if (!rest.empty())
        write(rest);
    while (const std::size_t n = source.read(bytes)) {
        write(std::span(bytes).first(n));
        check_stop(stop_);
    }
}

Taken BlobWriter::take(int file, bool may_link, const content::Told& told) {
    if (open_ingest().clone(file, told, stop_))
        return Taken::cloned;
    return may_link && open_ingest().link(file, told, stop_) ? Taken::linked : Taken::not_at_all;
}

void BlobWriter::copy_shared(std::uint64_t size) {
    const Shared shared = *std::exchange(shared_, std::nullopt);
    std::vector<std::byte> buffer(buffer_size);
    for (std::uint64_t at = 0; at < size;) {
        check_stop(stop_);
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - at));
        const std::size_t n =
            read_some_at(shared.file.get(), std::span(buffer).first(wanted), at, shared.digest.string());
        if (n == 0)
            throw Error(ErrorKind::data_loss, "content ", shared.digest, ": its file has ", at, " bytes, not ",
                        shared.size);
        open_ingest().write(std::span(buffer).first(n));
        at += n;
    }
}

oci::Digest BlobWriter::verify(const Commit& commit) {
    // Gone from the store since, but its bytes are still in our hands.
    if (shared_ && store_->files().size(shared_->digest) != shared_->size)
        copy_shared(shared_->size);
    if (mode_ == WriteMode::strict)
        return shared_ ? verify_shared(commit) : verify_bytes(commit, ErrorKind::failed_precondition);
    try {
        return verify_bytes(commit, ErrorKind::data_loss);
    } catch (const Error& error) {
        // Stopped while reading, or a disk that cannot sync: the bytes may be good.
        if (error.kind() == ErrorKind::data_loss)
            attempt([&] { abandon(); });
        throw;
    }
}

oci::Digest BlobWriter::verify_bytes(const Commit& commit, ErrorKind otherwise) {
    return open_ingest().verify({.size = commit.size, .digest = commit.digest, .otherwise = otherwise},
                                durable(*store_), stop_);
}

oci::Digest BlobWriter::verify_shared(const Commit& commit) const {
    if (commit.size != 0 && commit.size != shared_->size)
        throw Error(ErrorKind::failed_precondition, "content ", shared_->digest, ": has ", shared_->size,
                    " bytes, not ", commit.size);
    if (commit.digest && *commit.digest != shared_->digest)
        throw Error(ErrorKind::failed_precondition, "content ", shared_->digest, ": is not ", *commit.digest);
    return shared_->digest;
}

bool BlobWriter::record(const oci::Digest& digest, const oci::Labels& labels) {
    const std::uint64_t size = offset();
    const std::string name = ref();
    const FileLock publishing = store_->publish_lock(LockMode::shared, stop_);
    if (!shared_)
        open_ingest().publish(store_->files(), digest, durable(*store_));
    else if (store_->files().size(digest) != size)
        throw Error(ErrorKind::unavailable, "content ", digest, ": was removed this moment");
    meta::Transaction transaction(store_->database());
    meta::Namespaces(store_->database()).ensure(namespace_);
    meta::Content content(store_->database(), namespace_);
    const bool known = content.find(digest).has_value();
    if (!known || mode_ == WriteMode::download)
        content.put(digest, size, labels);
    lease_->add({.type = "content", .key = digest.string()});
    remove_row(name);
    transaction.commit();
    return !known;
}

oci::Digest BlobWriter::commit(const Commit& commit) {
    require_open();
    try {
        oci::validate(commit.labels);
        oci::Digest digest = verify(commit);
        const bool is_new = record(digest, commit.labels);
        ingest_->remove();
        close();
        if (!is_new && mode_ == WriteMode::strict)
            throw Error(ErrorKind::already_exists, "content ", digest, " already exists");
        return digest;
    } catch (const Error&) {
        if (mode_ == WriteMode::strict)
            close();
        throw;
    }
}

void BlobWriter::remove_row(const std::string& ref) {
    meta::Content(store_->database(), namespace_).remove_ingest(ref);
    lease_->drop({.type = "ingests", .key = ref});
}

void BlobWriter::abandon() {
    // Under the same name another process may be writing by now.
    if (!ingest_)
        return;
    const std::string name = ref();
    // Before the row, which needs room on a disk that this ingest may have filled.
    ingest_->discard();
    {
        meta::Transaction transaction(store_->database());
        remove_row(name);
        transaction.commit();
    }
    ingest_->remove();
    ingest_.reset();
}

} // namespace lade::store
