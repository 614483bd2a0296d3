// SPDX-License-Identifier: Apache-2.0
#include "store/leases.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "meta/namespaces.hpp"
#include "oci/digest.hpp"

namespace lade::store {

namespace {

constexpr auto lease_expiry = std::chrono::hours(24);
constexpr std::string_view lock_prefix = "lease-";
constexpr std::size_t max_owner = 32;

// A collector may remove the file between our making it and our locking it; then it is not ours.
std::optional<FileLock> try_own(int locks, const std::string& name) {
    auto lock = FileLock::try_acquire(open_at(locks, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600), LockMode::exclusive);
    struct stat held {};
    struct stat found {};
    if (!lock || ::fstat(lock->fd(), &held) != 0 || ::fstatat(locks, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0 ||
        held.st_ino != found.st_ino)
        return std::nullopt;
    return lock;
}

} // namespace

std::string generate_lease_id() {
    return cat(now().time_since_epoch().count() % 1'000'000'000, '-', random_text(4));
}

LeaseHold::LeaseHold(Store& store, const std::string& name_space, std::string also)
    : store_(store),
      namespace_(name_space),
      id_(generate_lease_id()),
      also_(std::move(also)),
      lock_name_(cat(lock_prefix, random_text(16))) {
    while (!lock_)
        lock_ = try_own(store_.locks(), lock_name_);
    write_all(lock_->fd(), as_bytes(std::to_string(::getpid())), lock_name_);
    meta::Transaction transaction(store_.database());
    meta::Namespaces(store_.database()).ensure(namespace_);
    meta::Leases leases(store_.database(), namespace_);
    if (!also_.empty() && !lives(store_, leases.get(also_), now()))
        throw Error(ErrorKind::failed_precondition, "lease ", printable(also_), " has expired");
    leases.create({.id = id_,
                   .owner_lock = lock_name_,
                   .labels = {{std::string(oci::label::gc_expire), rfc3339(now() + lease_expiry)}},
                   .created = {}});
    transaction.commit();
}

LeaseHold::~LeaseHold() {
    try {
        meta::Transaction transaction(store_.database());
        meta::Leases(store_.database(), namespace_).remove(id_);
        transaction.commit();
        ::unlinkat(store_.locks(), lock_name_.c_str(), 0);
    } catch (const Error&) {
        // The lock is released all the same, and the next collection finds the lease dead.
        return;
    }
}

void LeaseHold::add(const LeaseResource& resource) {
    meta::Leases leases(store_.database(), namespace_);
    leases.add(id_, resource);
    if (!also_.empty())
        leases.add(also_, resource);
}

void LeaseHold::add_own(const LeaseResource& resource) {
    meta::Leases(store_.database(), namespace_).add(id_, resource);
}

void LeaseHold::drop(const LeaseResource& resource) {
    meta::Leases leases(store_.database(), namespace_);
    leases.drop(id_, resource);
    if (!also_.empty() && leases.find(also_))
        leases.drop(also_, resource);
}

bool lives(const Store& store, const Lease& lease, Time time) {
    // A command may take longer than any expiry, and clocks jump: its lock alone says whether it is at work.
    if (lease.owner_lock) {
        auto file = find_at(store.locks(), *lease.owner_lock, O_RDWR | O_NOFOLLOW);
        return file && !FileLock::try_acquire(std::move(*file), LockMode::shared);
    }
    const auto expire = lease.labels.find(std::string(oci::label::gc_expire));
    const auto end = expire == lease.labels.end() ? std::nullopt : parse_rfc3339(expire->second);
    return !end || *end >= time;
}

std::optional<std::uint64_t> owner_of(const Store& store, const Lease& lease) {
    if (!lease.owner_lock)
        return std::nullopt;
    return parse_number(find_text(store.locks(), *lease.owner_lock, max_owner).value_or(""));
}

void validate(const LeaseResource& resource) {
    if (resource.key.empty())
        throw Error(ErrorKind::invalid_argument, "lease resource of type ", printable(resource.type),
                    ": a key is needed");
    const std::vector<std::string> parts = split(resource.type, '/');
    if (resource.type == "content") {
        static_cast<void>(oci::Digest::parse(resource.key));
    } else if (parts.front() == "snapshots") {
        if (parts.size() != 2 || parts.back().empty())
            throw Error(ErrorKind::invalid_argument, "lease resource type \"", printable(resource.type),
                        "\": snapshots/<snapshotter> is meant");
    } else if (resource.type != "ingests" && resource.type != "images") {
        throw Error(ErrorKind::unimplemented, "lease resource type \"", printable(resource.type),
                    "\": there are content, images, ingests and snapshots/<snapshotter>");
    }
}

void remove_dead_locks(Store& store) {
    std::set<std::string> known;
    for (const meta::Namespace& one : meta::Namespaces(store.database()).list())
        for (const Lease& lease : meta::Leases(store.database(), one.name).list())
            known.insert(lease.owner_lock.value_or(""));
    for (const std::string& name : list_directory(store.locks(), ".")) {
        if (!name.starts_with(lock_prefix) || known.contains(name))
            continue;
        if (const auto lock = try_own(store.locks(), name))
            ::unlinkat(store.locks(), name.c_str(), 0);
    }
}

} // namespace lade::store
