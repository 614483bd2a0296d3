// SPDX-License-Identifier: Apache-2.0
#include "meta/schema.hpp"

#include <array>

#include "base/error.hpp"

namespace lade::meta {

namespace {

// "lade" in ASCII: tells our file from anybody else's.
constexpr std::int64_t application_id = 0x6c616465;

// Version 1. Names are compared as bytes. Times are nanoseconds since the epoch. Ids of snapshots name
// directories and are never used twice, hence AUTOINCREMENT. Children of a snapshot are found by its
// parent link: there is no second list that could disagree. A container or a lease may name things that
// do not exist (yet); these are texts, not foreign keys, and garbage collection tolerates dangling ones.
constexpr const char* version_1 = R"sql(
CREATE TABLE namespaces (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE namespace_labels (
    owner TEXT NOT NULL REFERENCES namespaces (name) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;
CREATE TABLE image_labels (
    owner INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE image_annotations (
    owner INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

-- A blob is a verified file; a content row is one namespace's right to it.
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    digest TEXT NOT NULL REFERENCES blobs (digest),
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (namespace, digest)
) STRICT;
CREATE INDEX content_by_digest ON content (digest);
CREATE TABLE content_labels (
    owner INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE ingests (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    ref TEXT NOT NULL,
    expected TEXT,
    expires INTEGER,
    UNIQUE (namespace, ref)
) STRICT;

CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    snapshotter TEXT NOT NULL,
    key TEXT NOT NULL,
    parent INTEGER REFERENCES snapshots (id),
    kind TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (namespace, snapshotter, key)
) STRICT;
CREATE INDEX snapshots_by_parent ON snapshots (parent);
CREATE TABLE snapshot_labels (
    owner INTEGER NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

-- `owner_lock` names a file below locks/ whose flock says that the owning process lives; NULL for leases
-- that people made.
CREATE TABLE leases (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    name TEXT NOT NULL,
    owner_lock TEXT,
    created INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;
CREATE TABLE lease_labels (
    owner INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE lease_resources (
    lease INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    type TEXT NOT NULL,  -- content, ingests, images, snapshots/<snapshotter>
    key TEXT NOT NULL,
    PRIMARY KEY (lease, type, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE containers (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    name TEXT NOT NULL,
    image TEXT NOT NULL,
    snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL,
    runtime_name TEXT NOT NULL, runtime_options BLOB,
    spec BLOB, sandbox TEXT NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;
CREATE TABLE container_labels (
    owner INTEGER NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE container_extensions (
    owner INTEGER NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    name TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;

-- Written in the transaction of the change it tells of. No foreign key: it outlives its namespace.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
)sql";

// Version 2. Settings of the store itself; and what the documents of an image say, remembered so that a listing of
// thousands need not read them. A summary is a function of the target's bytes and the platform asked for: it never
// grows old, and losing it loses nothing.
constexpr const char* version_2 = R"sql(
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE summaries (
    target TEXT NOT NULL,
    platform TEXT NOT NULL,   -- the one whose manifest was looked for
    config TEXT NOT NULL,     -- its config's digest, the image's ID; '' for what is no image
    size INTEGER NOT NULL,
    platforms TEXT NOT NULL,  -- all that the image is for, sorted, comma-joined
    PRIMARY KEY (target, platform)
) STRICT, WITHOUT ROWID;
CREATE INDEX images_by_digest ON images (digest);
-- What has an expiry is asked for by every command that changes the store.
CREATE INDEX images_that_expire ON image_labels (owner, value) WHERE key = 'containerd.io/gc.expire';
CREATE INDEX ingests_by_expiry ON ingests (expires);
)sql";

// migrations[n] takes a database from version n to n + 1.
constexpr std::array migrations{version_1, version_2};

std::int64_t pragma(Database& database, const char* sql) {
    Statement statement = database.query(sql);
    statement.next();
    return statement.integer(0);
}

} // namespace

void migrate(Database& database) {
    constexpr auto newest = static_cast<std::int64_t>(migrations.size());
    const auto check = [&] {
        // In this order: another process may be making the store just now, and writes both at once.
        const std::int64_t version = pragma(database, "PRAGMA user_version");
        const std::int64_t owner = pragma(database, "PRAGMA application_id");
        if (owner != application_id && (owner != 0 || version != 0))
            throw Error(ErrorKind::failed_precondition, "metadata ", database.path(), ": not a lade store");
        if (version > newest)
            throw Error(ErrorKind::failed_precondition, "metadata ", database.path(),
                        ": made by a newer lade (schema version ", version, ", this one knows up to ", newest, ")");
        return version;
    };
    const std::int64_t found = check();
    if (!database.is_writable()) {
        if (found != newest)
            throw Error(ErrorKind::failed_precondition, "metadata ", database.path(),
                        ": made by an older lade (schema version ", found, ", now ", newest,
                        "), and cannot be brought up to date on a read-only file system");
        return;
    }
    database.use_wal();
    if (found == newest)
        return;
    Transaction transaction(database);
    for (std::int64_t version = check(); version < newest; ++version)
        database.execute(migrations.at(static_cast<std::size_t>(version)));
    database.execute(cat("PRAGMA application_id = ", application_id));
    database.execute(cat("PRAGMA user_version = ", newest));
    transaction.commit();
}

} // namespace lade::meta
