// SPDX-License-Identifier: Apache-2.0
// Every table and every migration, and what each is for. The list is indexed by PRAGMA user_version.
#pragma once

#include "meta/sqlite.hpp"

namespace lade::meta {

// Brings the database to the newest schema, in one BEGIN IMMEDIATE that re-reads the version, so that any
// number of processes may open a store at once. A newer version than this program knows is
// failed_precondition and names both; a foreign application_id is failed_precondition too, and
// an older version that cannot be written.
void migrate(Database& database);

} // namespace lade::meta
