// SPDX-License-Identifier: Apache-2.0
// What has an expiry: ingests, images and leases. Nobody deletes these; whoever collects next does.
#pragma once

#include <string>
#include <vector>

#include "meta/sqlite.hpp"

namespace lade::meta {

// True when something expired before `now` that no collection has looked at since: one that was kept all the same
// (leased, referred to) is not told of again. Leases that a process owns have no expiry.
bool has_expired(Database& database, Time now);

// A collection keeps something that expired before `now`.
void remember_expired(Database& database, Time now);

// An expiry was written, in the past perhaps: the next look is at everything.
void forget_expired(Database& database);

// The lock files of all leases that a process owns or owned.
std::vector<std::string> owner_locks(Database& database);

} // namespace lade::meta
