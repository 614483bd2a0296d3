-- A store of schema version 1 with rows in every table, as lade 0.1.0 made it.
PRAGMA application_id = 1818322021;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "blobs" VALUES('sha256:1ed07e526be25e93fe382830f9591db857580af49b5df8d44d0be7908adb5cfd',10240);
INSERT INTO "blobs" VALUES('sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920',10240);
INSERT INTO "blobs" VALUES('sha256:7b9cbbcc645a55b219466e8b95915388909bcb6e6c03dad661db0a77966211cd',261);
INSERT INTO "blobs" VALUES('sha256:84eaf067e8e23cad7b43d2bc775159695acc7af934c76714237aaaf4e8c64447',572);
CREATE TABLE container_extensions (
    owner INTEGER NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    name TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "container_extensions" VALUES(1,'ext',X'6279746573');
CREATE TABLE container_labels (
    owner INTEGER NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "container_labels" VALUES(1,'role','web');
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
INSERT INTO "containers" VALUES(1,'default','c1','registry.example/image:v1','overlayfs','c1','io.containerd.runc.v2',X'0001',X'7B226F636956657273696F6E223A22312E302E32227D','s1',1700000000000000000,1700000000000000000);
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    digest TEXT NOT NULL REFERENCES blobs (digest),
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (namespace, digest)
) STRICT;
INSERT INTO "content" VALUES(1,'default','sha256:84eaf067e8e23cad7b43d2bc775159695acc7af934c76714237aaaf4e8c64447',1795262320980564764,1795262320980822112);
INSERT INTO "content" VALUES(2,'default','sha256:7b9cbbcc645a55b219466e8b95915388909bcb6e6c03dad661db0a77966211cd',1795262320990839005,1795262321018085366);
INSERT INTO "content" VALUES(3,'default','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920',1795262321002372589,1795262321002477008);
INSERT INTO "content" VALUES(4,'default','sha256:1ed07e526be25e93fe382830f9591db857580af49b5df8d44d0be7908adb5cfd',1795262321007881985,1795262321007970842);
INSERT INTO "content" VALUES(5,'other','sha256:84eaf067e8e23cad7b43d2bc775159695acc7af934c76714237aaaf4e8c64447',1795262321128542986,1795262321129336137);
INSERT INTO "content" VALUES(6,'other','sha256:7b9cbbcc645a55b219466e8b95915388909bcb6e6c03dad661db0a77966211cd',1795262321129619068,1795262321154449894);
INSERT INTO "content" VALUES(7,'other','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920',1795262321142265696,1795262321142368789);
INSERT INTO "content" VALUES(8,'other','sha256:1ed07e526be25e93fe382830f9591db857580af49b5df8d44d0be7908adb5cfd',1795262321142510317,1795262321142576355);
CREATE TABLE content_labels (
    owner INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "content_labels" VALUES(1,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(1,'containerd.io/gc.ref.content.config','sha256:7b9cbbcc645a55b219466e8b95915388909bcb6e6c03dad661db0a77966211cd');
INSERT INTO "content_labels" VALUES(1,'containerd.io/gc.ref.content.l.0','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920');
INSERT INTO "content_labels" VALUES(1,'containerd.io/gc.ref.content.l.1','sha256:1ed07e526be25e93fe382830f9591db857580af49b5df8d44d0be7908adb5cfd');
INSERT INTO "content_labels" VALUES(2,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(2,'containerd.io/gc.ref.snapshot.overlayfs','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc');
INSERT INTO "content_labels" VALUES(3,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(4,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(5,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(5,'containerd.io/gc.ref.content.config','sha256:7b9cbbcc645a55b219466e8b95915388909bcb6e6c03dad661db0a77966211cd');
INSERT INTO "content_labels" VALUES(5,'containerd.io/gc.ref.content.l.0','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920');
INSERT INTO "content_labels" VALUES(5,'containerd.io/gc.ref.content.l.1','sha256:1ed07e526be25e93fe382830f9591db857580af49b5df8d44d0be7908adb5cfd');
INSERT INTO "content_labels" VALUES(6,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(6,'containerd.io/gc.ref.snapshot.native','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc');
INSERT INTO "content_labels" VALUES(7,'containerd.io/distribution.source.127.0.0.1','image');
INSERT INTO "content_labels" VALUES(8,'containerd.io/distribution.source.127.0.0.1','image');
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,1700000000000000000,'default','/images/create','{"name":"registry.example/image:v1"}');
CREATE TABLE image_annotations (
    owner INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "image_annotations" VALUES(1,'org.opencontainers.image.ref.name','v1');
INSERT INTO "image_annotations" VALUES(2,'org.opencontainers.image.ref.name','v1');
CREATE TABLE image_labels (
    owner INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "image_labels" VALUES(1,'mine','kept');
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;
INSERT INTO "images" VALUES(1,'default','registry.example/image:v1','application/vnd.oci.image.manifest.v1+json','sha256:84eaf067e8e23cad7b43d2bc775159695acc7af934c76714237aaaf4e8c64447',572,1795262321018170900,1795262321018170900);
INSERT INTO "images" VALUES(2,'other','registry.example/image:v1','application/vnd.oci.image.manifest.v1+json','sha256:84eaf067e8e23cad7b43d2bc775159695acc7af934c76714237aaaf4e8c64447',572,1795262321154519851,1795262321154519851);
CREATE TABLE ingests (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    ref TEXT NOT NULL,
    expected TEXT,
    expires INTEGER,
    UNIQUE (namespace, ref)
) STRICT;
INSERT INTO "ingests" VALUES(1,'default','layer-half','sha256:1111111111111111111111111111111111111111111111111111111111111111',4000000000000000000);
CREATE TABLE lease_labels (
    owner INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "lease_labels" VALUES(1,'color','blue');
CREATE TABLE lease_resources (
    lease INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    type TEXT NOT NULL,  -- content, ingests, images, snapshots/<snapshotter>
    key TEXT NOT NULL,
    PRIMARY KEY (lease, type, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "lease_resources" VALUES(1,'content','sha256:2222222222222222222222222222222222222222222222222222222222222222');
INSERT INTO "lease_resources" VALUES(1,'images','registry.example/image:v1');
INSERT INTO "lease_resources" VALUES(1,'ingests','layer-half');
INSERT INTO "lease_resources" VALUES(1,'snapshots/overlayfs','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc');
CREATE TABLE leases (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL REFERENCES namespaces (name),
    name TEXT NOT NULL,
    owner_lock TEXT,
    created INTEGER NOT NULL,
    UNIQUE (namespace, name)
) STRICT;
INSERT INTO "leases" VALUES(1,'default','lease',NULL,1795262321245429457);
INSERT INTO "leases" VALUES(2,'default','dead','lease-dead',1700000000000000000);
CREATE TABLE namespace_labels (
    owner TEXT NOT NULL REFERENCES namespaces (name) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "namespace_labels" VALUES('other','containerd.io/defaults/snapshotter','native');
CREATE TABLE namespaces (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO "namespaces" VALUES('default');
INSERT INTO "namespaces" VALUES('other');
CREATE TABLE snapshot_labels (
    owner INTEGER NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
    key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "snapshot_labels" VALUES(1,'containerd.io/snapshot.ref','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920');
INSERT INTO "snapshot_labels" VALUES(2,'containerd.io/snapshot.ref','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc');
INSERT INTO "snapshot_labels" VALUES(3,'containerd.io/snapshot.ref','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920');
INSERT INTO "snapshot_labels" VALUES(4,'containerd.io/snapshot.ref','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc');
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
INSERT INTO "snapshots" VALUES(1,'default','overlayfs','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920',NULL,'committed',1795262321014258629,1795262321014258629);
INSERT INTO "snapshots" VALUES(2,'default','overlayfs','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc',1,'committed',1795262321014740052,1795262321014740052);
INSERT INTO "snapshots" VALUES(3,'other','native','sha256:4a952152647d0cec56138d17ffd6611dc81f1c7af0fda2185cc7685c2d1a8920',NULL,'committed',1795262321145297441,1795262321145297441);
INSERT INTO "snapshots" VALUES(4,'other','native','sha256:b2ce5f1557fe8be8199b39f39eb32bffb6b99582acc0cf98c853667f9696d7cc',3,'committed',1795262321145729478,1795262321145729478);
INSERT INTO "snapshots" VALUES(5,'default','overlayfs','c1',2,'active',1700000000000000000,1700000000000000000);
INSERT INTO "snapshots" VALUES(6,'default','overlayfs','unused',2,'view',1700000000000000000,1700000000000000000);
CREATE INDEX content_by_digest ON content (digest);
CREATE INDEX snapshots_by_parent ON snapshots (parent);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('snapshots',6);
INSERT INTO "sqlite_sequence" VALUES('events',1);
COMMIT;
