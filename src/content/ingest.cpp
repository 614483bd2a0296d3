// SPDX-License-Identifier: Apache-2.0
#include "content/ingest.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/tree.hpp"
#include "content/checkpoints.hpp"

namespace lade::content {

namespace {

constexpr std::size_t rehash_buffer = 1 * mib;
// What a power cut may cost at most; a note costs some microseconds.
constexpr std::uint64_t checkpoint_distance = 16 * mib;

// The directory may be removed between our opening it and our getting its lock; then it is no longer the
// ingest, and we begin again.
template <typename Acquire>
std::optional<FileLock> lock_directory(int parent, const std::string& path, Acquire acquire) {
    for (;;) {
        make_directory(parent, path, 0755);
        auto directory = find_at(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!directory)
            continue;
        std::optional<FileLock> lock = acquire(std::move(*directory));
        if (!lock || is_directory_at(lock->fd(), parent, path))
            return lock;
    }
}

std::uint64_t file_size(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0)
        throw_errno(errno, "stat ingest");
    return static_cast<std::uint64_t>(st.st_size);
}

} // namespace

Ingest::Ingest(FileLock lock, int parent, std::string name)
    : lock_(std::move(lock)), parent_(parent), name_(std::move(name)) {}

Ingest::~Ingest() {
    if (!tail_)
        return;
    tail_->failed();
    if (data_) {
        // Best effort: the time is for `content active`, and a destructor does not throw.
        try {
            write_ingest_file(lock_.fd(), "updatedat", rfc3339(status_.updated));
        } catch (const Error&) {
            return;
        }
    }
}

Ingest Ingest::open(const Blobs& blobs, const std::string& ref, std::uint64_t total, oci::Algorithm algorithm,
                    const std::stop_token& stop) {
    auto lock =
        lock_directory(blobs.directory(), ingest_path(ingest_name(ref)), [&](Fd directory) -> std::optional<FileLock> {
            return FileLock::acquire(std::move(directory), LockMode::exclusive, blobs.patience(), stop);
        });
    return resume(*std::move(lock), blobs, ref, total, algorithm, stop);
}

std::optional<Ingest> Ingest::try_open(const Blobs& blobs, const std::string& ref, std::uint64_t total,
                                       oci::Algorithm algorithm, const std::stop_token& stop) {
    auto lock = lock_directory(blobs.directory(), ingest_path(ingest_name(ref)), [](Fd directory) {
        return FileLock::try_acquire(std::move(directory), LockMode::exclusive);
    });
    if (!lock)
        return std::nullopt;
    return resume(*std::move(lock), blobs, ref, total, algorithm, stop);
}

Ingest Ingest::resume(FileLock lock, const Blobs& blobs, const std::string& ref, std::uint64_t total,
                      oci::Algorithm algorithm, const std::stop_token& stop) {
    Ingest ingest(std::move(lock), blobs.directory(), ingest_name(ref));
    const int directory = ingest.lock_.fd();
    const auto old = read_ingest(directory);
    ingest.algorithm_ = algorithm;
    ingest.data_ = open_at(directory, "data", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (old && old->ref == ref && (old->total == 0 || total == 0 || old->total == total) &&
        (total == 0 || old->offset <= total)) {
        ingest.status_ = *old;
    } else {
        ingest.restart();
        const Time time = now();
        ingest.status_ = {.ref = ref, .offset = 0, .total = total, .started = time, .updated = time};
        write_ingest_file(directory, "ref", ref);
        write_ingest_file(directory, "startedat", rfc3339(time));
        write_ingest_file(directory, "updatedat", rfc3339(time));
        if (total > 0)
            write_ingest_file(directory, "total", std::to_string(total));
    }
    ingest.take_up(stop);
    return ingest;
}

void Ingest::take_up(const std::stop_token& stop) {
    const int directory = lock_.fd();
    const std::uint64_t size = file_size(data_.get());
    Checkpoints known = read_checkpoints(directory);
    const std::string comparable = cat(oci::Hasher(algorithm_).so_far().algorithm_name(), ':');
    std::erase_if(known.points, [&](const Checkpoint& point) { return !point.digest.starts_with(comparable); });
    hasher_ = std::make_unique<oci::Hasher>(algorithm_);
    status_.offset = 0;
    std::uint64_t good = 0;
    for (const Checkpoint& point : known.points) {
        hash_to(point.offset, {}, stop);
        if (status_.offset != point.offset || digest().string() != point.digest)
            break;
        good = point.offset;
    }
    if (known.since_boot && (known.points.empty() || good == known.points.back().offset))
        good = size;
    noted_ = known.points.empty() ? 0 : std::min(good, known.points.back().offset);
    if (good < size && ::ftruncate(data_.get(), static_cast<off_t>(good)) != 0)
        throw_errno(errno, "cut ingest");
    if (good < status_.offset)
        rehash({}, stop);
    else
        hash_to(good, {}, stop);
    go_on();
    if (good < size || !known.since_boot)
        begin_checkpoints(directory, known.points, good);
}

void Ingest::hash_to(std::uint64_t end, const Told& told, const std::stop_token& stop) {
    std::vector<std::byte> buffer(static_cast<std::size_t>(
        std::min<std::uint64_t>(rehash_buffer, std::min(end, file_size(bytes())) - status_.offset)));
    while (status_.offset < end && !buffer.empty()) {
        check_stop(stop);
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - status_.offset));
        const std::size_t n = read_some_at(bytes(), std::span(buffer).first(wanted), status_.offset, "ingest");
        if (n == 0)
            break;
        hasher_->update(std::span(buffer).first(n));
        status_.offset += n;
        if (told)
            told(n);
    }
}

void Ingest::rehash(const Told& told, const std::stop_token& stop) {
    hasher_ = std::make_unique<oci::Hasher>(algorithm_);
    status_.offset = 0;
    hash_to(file_size(bytes()), told, stop);
}

void Ingest::go_on() {
    if (::lseek(data_.get(), static_cast<off_t>(status_.offset), SEEK_SET) < 0)
        throw_errno(errno, "seek ingest ", printable(status_.ref));
    tail_->advance(status_.offset);
}

Fd Ingest::reader() const {
    return open_at(lock_.fd(), linked_ ? linked_name : "data", O_RDONLY | O_NOFOLLOW);
}

Follower Ingest::follow(const std::stop_token& stop) const {
    return {reader(), tail_, stop};
}

void Ingest::write(std::span<const std::byte> bytes) {
    hasher_->update(bytes);
    write_all(data_.get(), bytes, "ingest");
    status_.offset += bytes.size();
    status_.updated = now();
    tail_->advance(status_.offset);
    if (status_.offset - noted_ >= checkpoint_distance) {
        noted_ = status_.offset;
        // Without it more is fetched again than need be.
        attempt([&] { add_checkpoint(lock_.fd(), {.offset = noted_, .digest = digest().string()}); });
    }
}

void Ingest::truncate(std::uint64_t size, const std::stop_token& stop) {
    if (size == 0) {
        restart();
    } else {
        if (::ftruncate(data_.get(), static_cast<off_t>(size)) != 0)
            throw_errno(errno, "cut ingest");
        rehash({}, stop);
        go_on();
        noted_ = status_.offset;
        begin_checkpoints(lock_.fd(), read_checkpoints(lock_.fd()).points, size);
    }
    status_.updated = now();
}

void Ingest::restart() {
    drop_link();
    empty();
}

void Ingest::empty() {
    if (::ftruncate(data_.get(), 0) != 0 || ::lseek(data_.get(), 0, SEEK_SET) < 0)
        throw_errno(errno, "empty ingest");
    status_.offset = 0;
    hasher_ = std::make_unique<oci::Hasher>(algorithm_);
    noted_ = 0;
    // Also where a full disk is being given room; what is left of the notes fits nothing that comes.
    attempt([&] { begin_checkpoints(lock_.fd(), {}, 0); });
}

void Ingest::discard() {
    tail_->failed();
    // Published, or on its way there: no bytes are left.
    if (data_)
        restart();
}

oci::Digest Ingest::verify(const Expected& expected, bool durable, const std::stop_token& stop) {
    const auto name = [&] { return expected.digest ? expected.digest->string() + ": " : ""; };
    if (expected.size != 0 && expected.size != offset())
        throw Error(expected.otherwise, name(), offset(), " bytes received, ", expected.size, " expected");
    // A write that failed halfway leaves more than was hashed.
    if (const std::uint64_t size = file_size(bytes()); size != offset())
        throw Error(expected.otherwise, name(), size, " bytes stored, ", offset(), " received");
    if (expected.digest && expected.digest->algorithm() != algorithm_) {
        algorithm_ = expected.digest->algorithm();
        rehash({}, stop);
    }
    oci::Digest found = digest();
    if (expected.digest && found != *expected.digest)
        throw Error(expected.otherwise, *expected.digest, ": the content received has digest ", found, " (", offset(),
                    " bytes)");
    if (durable)
        sync_file(bytes(), "ingest");
    return found;
}

void Ingest::publish(const Blobs& blobs, const oci::Digest& digest, bool durable) {
    // No writable descriptor may outlive the publication.
    data_.reset();
    const bool is_linked = static_cast<bool>(linked_);
    linked_.reset();
    blobs.publish(lock_.fd(), is_linked ? linked_name : "data", digest, durable);
    fault::point("ingest.published");
    tail_->verified();
}

void Ingest::remove() {
    data_.reset();
    linked_.reset();
    remove_tree(parent_, ingest_path(name_));
}

} // namespace lade::content
