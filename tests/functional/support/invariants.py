"""What must hold in a store when nobody is at work: read by sqlite3 and hashlib alone, knowing nothing of the program.

What a killed process leaves to the next collection holds room, never a name that anyone was given: files without
a row, blobs of no namespace, ingests, and rows of unfinished snapshots, whose directory may not be there yet.
"""

import hashlib
import json
import os
import sqlite3
from pathlib import Path

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


UNFINISHED = ("extract-", "draft-lade-")


class Store:
    def __init__(self, root, collected):
        self.root = Path(root)
        self.collected = collected
        self.database = sqlite3.connect(f"file:{self.root}/meta.db?mode=ro", uri=True)
        self.broken = []

    def rows(self, text, *values):
        return self.database.execute(text, values).fetchall()

    def blob_path(self, digest):
        algorithm, name = digest.split(":")
        return self.root / "content/blobs" / algorithm / name

    def check_blobs(self):
        rows = dict(self.rows("SELECT digest, size FROM blobs"))
        for digest, size in rows.items():
            path = self.blob_path(digest)
            if not path.is_file():
                self.broken.append(f"{digest}: a row without a file")
                continue
            data = path.read_bytes()
            if len(data) != size:
                self.broken.append(f"{digest}: {len(data)} bytes, the row says {size}")
            if hashlib.new(digest.split(":")[0], data).hexdigest() != digest.split(":")[1]:
                self.broken.append(f"{digest}: the bytes have another digest")
        if not self.collected:
            return
        for folder in (self.root / "content/blobs").iterdir():
            for name in os.listdir(folder):
                if f"{folder.name}:{name}" not in rows:
                    self.broken.append(f"{folder.name}:{name}: a file without a row")
        for (digest,) in self.rows("SELECT digest FROM blobs WHERE digest NOT IN (SELECT digest FROM content)"):
            self.broken.append(f"{digest}: of no namespace")

    def check_snapshots(self):
        rows = {(snapshotter, str(id_)): (key, kind) for id_, snapshotter, key, kind in self.rows("SELECT id, snapshotter, key, kind FROM snapshots")}
        found = set()
        for folder in (self.root / "snapshots").iterdir():
            found |= {(folder.name, name) for name in os.listdir(folder) if name.isdigit()}
        for (snapshotter, id_), (key, kind) in rows.items():
            may_lack = kind == "view" or (not self.collected and key.startswith(UNFINISHED))
            if not may_lack and (snapshotter, id_) not in found:
                self.broken.append(f"snapshot {snapshotter} {id_} ({key}): a row without a directory")
        for snapshotter, id_ in found - set(rows) if self.collected else ():
            self.broken.append(f"snapshot {snapshotter} {id_}: a directory without a row")

    def check_ingests(self):
        if not self.collected:
            return
        rows = len(self.rows("SELECT 1 FROM ingests"))
        folder = self.root / "content/ingest"
        files = len(os.listdir(folder)) if folder.exists() else 0
        if rows != files:
            self.broken.append(f"{files} ingests on disk, {rows} in rows")

    def check_images(self):
        """Every image has its complete content, except that platforms of an index may never have been fetched."""
        for name_space, name, digest in self.rows("SELECT namespace, name, digest FROM images"):
            present = {row[0] for row in self.rows("SELECT digest FROM content WHERE namespace = ?", name_space)}
            missing = self.missing_of(digest, present)
            if missing:
                self.broken.append(f"image {name_space} {name}: without {', '.join(missing)}")

    def missing_of(self, digest, present):
        if digest not in present or not self.blob_path(digest).is_file():
            return [digest]
        document = json.loads(self.blob_path(digest).read_bytes())
        if document.get("mediaType") in INDEXES:
            children = [child["digest"] for child in document["manifests"] if child["digest"] in present]
            return [lost for child in children for lost in self.missing_of(child, present)] or ([] if children else [digest])
        parts = [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
        return [part for part in parts if part not in present or not self.blob_path(part).is_file()]

    def check_database(self):
        problems = [row[0] for row in self.rows("PRAGMA integrity_check")]
        if problems != ["ok"]:
            self.broken += problems
        self.broken += [f"foreign key: {row}" for row in self.rows("PRAGMA foreign_key_check")]

    def check_events(self):
        """What the journal says was made and not deleted since is what is there. Only while it has not lost its beginning."""
        events = self.rows("SELECT id, namespace, topic, payload FROM events ORDER BY id")
        if not events or events[0][0] != 1:
            return
        images, content, snapshots = set(), set(), set()
        for _, name_space, topic, payload in events:
            told = json.loads(payload)

            def change(known, key, make):
                if make == (key in known):
                    self.broken.append(f"event {topic} {payload}: of what was {'there' if make else 'not there'}")
                (known.add if make else known.discard)(key)

            if topic in ("/images/create", "/images/delete"):
                change(images, (name_space, told["name"]), topic.endswith("create"))
            elif topic in ("/content/create", "/content/delete"):
                change(content, (name_space, told["digest"]), topic.endswith("create"))
            elif topic in ("/snapshot/prepare", "/snapshot/remove"):
                change(snapshots, (name_space, told["snapshotter"], told["key"]), topic.endswith("prepare"))
            elif topic == "/snapshot/commit":
                change(snapshots, (name_space, told["snapshotter"], told["key"]), False)
                change(snapshots, (name_space, told["snapshotter"], told["name"]), True)
        for what, known, text in (
            ("images", images, "SELECT namespace, name FROM images"),
            ("content", content, "SELECT namespace, digest FROM content"),
            ("snapshots", snapshots, "SELECT namespace, snapshotter, key FROM snapshots WHERE kind <> 'view'"),
        ):
            rows = set(self.rows(text))
            if rows != known:
                self.broken.append(f"events of {what}: {sorted(rows - known)} were never told, {sorted(known - rows)} are gone")


def violations(root, collected=True):
    """One line for each rule that does not hold; `collected` is whether a collection has seen whatever was killed."""
    store = Store(root, collected)
    try:
        store.check_database()
        store.check_blobs()
        store.check_snapshots()
        store.check_ingests()
        store.check_images()
        store.check_events()
        return store.broken
    finally:
        store.database.close()
