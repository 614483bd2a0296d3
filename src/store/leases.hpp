// SPDX-License-Identifier: Apache-2.0
// Leases keep what is being made (containerd-store.md 2.8). A command's own lease is owned by its process: a
// flock says that it lives, so what a killed command left is collectable at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "meta/leases.hpp"
#include "store/store.hpp"

namespace lade::store {

using meta::Lease;
using meta::LeaseResource;

// A lease for the lifetime of the object. The destructor removes it; when the process dies the kernel
// releases its lock. Its expiry of 24 h is for other readers of the row: while it has an owner nothing here asks it.
// What it is given is given to the lease `also`, too, which people made and which stays.
class LeaseHold {
public:
    // not_found: there is no lease `also`; failed_precondition: it has expired. Empty: none is wanted.
    LeaseHold(Store& store, const std::string& name_space, std::string also = {});
    ~LeaseHold();
    LeaseHold(const LeaseHold&) = delete;
    LeaseHold& operator=(const LeaseHold&) = delete;

    // These belong inside the transaction that makes or removes the thing. not_found: the lease `also` is gone; what
    // it was to hold is not made.
    void add(const LeaseResource& resource);
    // For what is of use to nobody once this process is gone: the lease of people does not get it.
    void add_own(const LeaseResource& resource);
    void drop(const LeaseResource& resource);
    // Whether what has this lease is held by this object, too.
    bool covers(const std::string& lease) const noexcept { return lease == id_ || lease == also_; }

private:
    Store& store_;
    std::string namespace_;
    std::string id_;
    std::string also_;
    std::string lock_name_;
    std::optional<FileLock> lock_;
};

// A lease with an owner lives as long as the owner does, any other one until it expires.
bool lives(const Store& store, const Lease& lease, Time time);

// The process that the lease belongs to, as it called itself; nullopt: nobody's, or gone with its lock file.
std::optional<std::uint64_t> owner_of(const Store& store, const Lease& lease);

// What a lease of people may be given (2.8). invalid_argument: content that is no digest, snapshots without exactly one
// snapshotter, no key; unimplemented: any other type.
void validate(const LeaseResource& resource);

// Removes lock files that belong to nobody any more.
void remove_dead_locks(Store& store);

// An id nobody has yet, in ctr's form "<nanoseconds>-<4 characters>".
std::string generate_lease_id();

} // namespace lade::store
