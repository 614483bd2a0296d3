"""Writes a store for garbage collection straight into meta.db and its folders, and reads back what is left."""

import hashlib
import os
import sqlite3
from datetime import datetime, timezone

# What lies in a folder of the store that no row has to know.
LABELS = {"content": "content_labels", "snapshot": "snapshot_labels", "image": "image_labels", "container": "container_labels", "lease": "lease_labels"}


def nanoseconds(time):
    return int(time.timestamp() * 1_000_000_000)


def digest_of(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class GcStore:
    """`lade` has made the store already, so the schema is its own."""

    def __init__(self, lade):
        self.root = lade.root
        self.database = sqlite3.connect(self.root / "meta.db", isolation_level=None)
        self.database.execute("PRAGMA synchronous = OFF")
        self.now = nanoseconds(datetime.now(timezone.utc))

    def close(self):
        self.database.close()

    def row(self, sql, *values):
        return self.database.execute(sql, values).lastrowid

    def label(self, kind, owner, labels):
        self.database.executemany(f"INSERT INTO {LABELS[kind]} (owner, key, value) VALUES (?, ?, ?)", [(owner, k, v) for k, v in labels.items()])

    def blob_path(self, digest):
        return self.root / "content" / "blobs" / digest.replace(":", "/")

    def write_blob(self, text):
        path = self.blob_path(digest_of(text))
        path.write_text(text)

    def write(self, rows):
        """The nodes of a gcmodel.Model, parents of snapshots before their children."""
        self.database.execute("BEGIN")
        for space in {node[1] for node in rows}:
            self.row("INSERT OR IGNORE INTO namespaces (name) VALUES (?)", space)
        self.snapshot_ids = {}
        for node, row in rows.items():
            getattr(self, "write_" + node[0])(node, row)
        self.database.execute("COMMIT")

    def write_content(self, node, row):
        self.row("INSERT OR IGNORE INTO blobs (digest, size) VALUES (?, ?)", node[2], 6)
        owner = self.row("INSERT INTO content (namespace, digest, created, updated) VALUES (?, ?, ?, ?)", node[1], node[2], self.now, self.now)
        self.label("content", owner, row["labels"])

    def write_snapshot(self, node, row):
        _, space, (snapshotter, key) = node
        parent = self.snapshot_ids[row["parent"]] if row["parent"] else None
        owner = self.row(
            "INSERT INTO snapshots (namespace, snapshotter, key, parent, kind, created, updated) VALUES (?, ?, ?, ?, 'committed', ?, ?)",
            space, snapshotter, key, parent, self.now, self.now,
        )  # fmt: skip
        self.snapshot_ids[node] = owner
        self.label("snapshot", owner, row["labels"])
        fs = self.snapshot_path(snapshotter, owner) / "fs"
        fs.mkdir(parents=True)
        (fs / "file").write_text(key)

    def snapshot_path(self, snapshotter, number):
        return self.root / "snapshots" / snapshotter / str(number)

    def write_image(self, node, row):
        owner = self.row(
            "INSERT INTO images (namespace, name, media_type, digest, size, created, updated) VALUES (?, ?, 'm', ?, 6, ?, ?)",
            node[1], node[2], row["target"][2], self.now, self.now,
        )  # fmt: skip
        self.label("image", owner, row["labels"])

    def write_container(self, node, row):
        snapshotter, key = row["snapshot"][2] if row["snapshot"] else ("", "")
        owner = self.row(
            "INSERT INTO containers (namespace, name, image, snapshotter, snapshot_key, runtime_name, sandbox, created, updated) VALUES (?, ?, '', ?, ?, 'r', '', ?, ?)",
            node[1], node[2], snapshotter, key, self.now, self.now,
        )  # fmt: skip
        self.label("container", owner, row["labels"])

    def write_ingest(self, node, row):
        expected = row["expected"][2] if row["expected"] else None
        expires = nanoseconds(row["expires"]) if row["expires"] else None
        self.row("INSERT INTO ingests (namespace, ref, expected, expires) VALUES (?, ?, ?, ?)", node[1], node[2], expected, expires)
        folder = self.ingest_path(f"{node[1]}/{node[2]}")
        folder.mkdir()
        (folder / "ref").write_text(f"{node[1]}/{node[2]}")
        (folder / "data").write_text("half")

    def ingest_path(self, ref):
        return self.root / "content" / "ingest" / hashlib.sha256(ref.encode()).hexdigest()

    def write_lease(self, node, row):
        lock = "lease-gone" if row["owner"] == "dead" else None
        owner = self.row("INSERT INTO leases (namespace, name, owner_lock, created) VALUES (?, ?, ?, ?)", node[1], node[2], lock, self.now)
        self.label("lease", owner, row["labels"])
        for kind, _, key in row["holds"]:
            if kind == "snapshot":
                kind, key = f"snapshots/{key[0]}", key[1]
            elif kind != "content":
                kind += "s"
            self.row("INSERT OR IGNORE INTO lease_resources (lease, type, key) VALUES (?, ?, ?)", owner, kind, key)

    def nodes(self):
        """Every node that has a row."""
        found = set()
        for kind, sql in {
            "content": "SELECT namespace, digest FROM content",
            "image": "SELECT namespace, name FROM images",
            "container": "SELECT namespace, name FROM containers",
            "ingest": "SELECT namespace, ref FROM ingests",
            "lease": "SELECT namespace, name FROM leases",
        }.items():
            found |= {(kind, *row) for row in self.database.execute(sql)}
        for space, snapshotter, key in self.database.execute("SELECT namespace, snapshotter, key FROM snapshots"):
            found.add(("snapshot", space, (snapshotter, key)))
        return found

    def events(self, topic, field):
        return sorted(row[0] for row in self.database.execute("SELECT json_extract(payload, ?) FROM events WHERE topic = ?", (f"$.{field}", topic)))

    def files(self):
        """Blobs, ingests and snapshot directories on disk."""
        blobs = {f"sha256:{name}" for name in os.listdir(self.root / "content/blobs/sha256")}
        snapshots = {f"{kind}/{name}" for kind in os.listdir(self.root / "snapshots") for name in os.listdir(self.root / "snapshots" / kind)}
        return blobs, set(os.listdir(self.root / "content/ingest")), snapshots

    def wanted_files(self):
        """The same, as the rows have it."""
        blobs = {row[0] for row in self.database.execute("SELECT digest FROM blobs")}
        ingests = {self.ingest_path(f"{space}/{ref}").name for space, ref in self.database.execute("SELECT namespace, ref FROM ingests")}
        snapshots = {f"{kind}/{number}" for kind, number in self.database.execute("SELECT snapshotter, id FROM snapshots")}
        return blobs, ingests, snapshots
