"""Stores of earlier releases: tests/data/schema-N.sql is a store of schema version N with rows in every table."""

import random
import signal
import sqlite3
import time
import unittest
from pathlib import Path

from support.images import Image, Layer
from support.program import Case, need_root

DATA = Path(__file__).resolve().parents[1] / "data"
NAME = "registry.example/image:v1"
NEWEST = 2


def image():
    """The image of the stored databases: the same bytes each time."""
    return Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")], compression="plain", change=lambda config, layers: config.update(config={"Cmd": ["sh"]}))


class Stored(Case):
    def setUp(self):
        super().setUp()
        need_root()
        self.make(1)

    def make(self, version):
        """The store of that schema version, with the files that its rows name."""
        self.lade.root.mkdir(mode=0o700, exist_ok=True)
        for old in self.lade.root.glob("meta.db*"):
            # The last connection to be closed, here or in a process that is ending, takes two of them away itself.
            old.unlink(missing_ok=True)
        with self.database() as database:
            database.executescript((DATA / f"schema-{version}.sql").read_text())
            snapshots = database.execute("SELECT snapshotter, id FROM snapshots").fetchall()
        made = image()
        blobs = {**made.blobs, **{name: text for name, (_, text) in made.documents.items()}}
        for name, data in blobs.items():
            path = self.lade.root / "content/blobs" / name.replace(":", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for snapshotter, number in snapshots:
            for part in ("fs", "work") if snapshotter == "overlayfs" else ("fs",):
                (self.lade.root / f"snapshots/{snapshotter}/{number}/{part}").mkdir(parents=True, exist_ok=True)

    def database(self):
        return sqlite3.connect(self.lade.root / "meta.db", isolation_level=None)

    def rows(self, database=None):
        """Every row of every table that version 1 had."""
        database = database or self.database()
        stored = sqlite3.connect(":memory:")
        stored.executescript((DATA / "schema-1.sql").read_text())
        tables = [name for (name,) in stored.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")]
        self.assertGreater(len(tables), 15)
        rows = {}
        for table in tables:
            columns = ", ".join(column[1] for column in stored.execute(f"PRAGMA table_info({table})"))
            rows[table] = sorted(database.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)
            self.assertTrue(rows[table], f"{table} has no row to migrate")
        return rows

    def version(self):
        database = self.database()
        self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.assertEqual(database.execute("PRAGMA foreign_key_check").fetchall(), [])
        return database.execute("PRAGMA user_version").fetchone()[0]

    def schema(self):
        return sorted(self.database().execute("SELECT type, name, sql FROM sqlite_master").fetchall(), key=repr)


class Migration(Stored):
    def test_rows_are_what_they_were(self):
        self.assertEqual(self.version(), 1)
        before = self.rows()
        self.lade.ok("namespaces", "ls")
        self.assertEqual(self.version(), NEWEST)
        self.assertEqual(self.rows(), before)

    def test_the_schema_is_that_of_a_new_store(self):
        self.lade.ok("namespaces", "ls")
        migrated = self.schema()
        for old in self.lade.root.glob("meta.db*"):
            # The last connection to be closed, here or in a process that is ending, takes two of them away itself.
            old.unlink(missing_ok=True)
        self.lade.ok("namespaces", "create", "x")
        self.assertEqual(migrated, self.schema())

    def test_every_listing_tells_what_is_there(self):
        digests = sorted([*image().blobs, *image().documents])
        images = self.lade.json("images", "ls")
        self.assertEqual([(one["name"], one["target"]["digest"], one["labels"]) for one in images], [(NAME, image().root, {"mine": "kept"})])
        self.assertEqual(images[0]["platforms"], ["linux/amd64"])
        self.assertEqual([one["digest"] for one in self.lade.json("content", "ls")], digests)
        self.assertEqual([one["digest"] for one in self.lade.json("-n", "other", "content", "ls")], digests)
        kinds = sorted(one["kind"] for one in self.lade.json("snapshots", "ls"))
        self.assertEqual(kinds, ["active", "committed", "committed", "view"])
        self.assertEqual(len(self.lade.json("-n", "other", "snapshots", "--snapshotter", "native", "ls")), 2)
        leases = {one["id"]: one for one in self.lade.json("leases", "ls")}
        self.assertEqual(leases["lease"]["labels"], {"color": "blue"})
        self.assertEqual((leases["lease"]["live"], leases["dead"]["live"]), (True, False))
        self.assertEqual(len(self.lade.json("leases", "resources", "lease")), 4)
        (container,) = self.lade.json("containers", "ls")
        self.assertEqual((container["id"], container["image"], container["labels"], container["extensions"]), ("c1", NAME, {"role": "web"}, {"ext": "bytes"}))
        self.assertEqual(self.lade.json("containers", "info", "c1")["spec"], {"ociVersion": "1.0.2"})
        namespaces = {one["name"]: one["labels"] for one in self.lade.json("namespaces", "ls")}
        self.assertEqual(namespaces, {"default": {}, "other": {"containerd.io/defaults/snapshotter": "native"}})
        self.lade.ok("content", "get", digests[0])

    def test_gc_takes_what_nothing_keeps(self):
        dry = self.lade.json("gc", "--dry-run")["removed"]
        self.assertEqual([one["key"] for one in dry["snapshots"]], ["overlayfs/unused"])
        self.assertEqual([one["key"] for one in dry["leases"]], ["dead"])
        self.assertEqual(dry["content"], [])
        before = self.rows()
        self.lade.ok("gc")
        after = self.rows()
        self.assertEqual({table for table in before if before[table] != after[table]} - {"events"}, {"snapshots", "leases"})

    def test_ids_of_snapshots_go_on(self):
        highest = max(one[0] for one in self.database().execute("SELECT id FROM snapshots"))
        self.lade.ok("containers", "create", NAME, "new")
        self.assertGreater(self.lade.json("snapshots", "info", "new")["id"], highest)

    def test_many_processes_migrate_at_once(self):
        before = self.rows()
        database = self.database()
        database.execute("BEGIN IMMEDIATE")
        started = [self.lade.start("images", "ls", "-q") for _ in range(6)]
        database.execute("COMMIT")
        for process in started:
            out, err = process.communicate(timeout=120)
            self.assertEqual((process.returncode, out), (0, NAME + "\n"), err)
        self.assertEqual(self.version(), NEWEST)
        self.assertEqual(self.rows(), before)

    def test_killed_while_it_waits_to_migrate(self):
        before = self.rows()
        database = self.database()
        database.execute("BEGIN IMMEDIATE")
        process = self.lade.start("images", "ls", "-q")
        process.kill()
        process.communicate()
        database.execute("COMMIT")
        self.assertEqual(self.version(), 1)
        self.assertEqual(self.lade.ok("images", "ls", "-q").out, NAME + "\n")
        self.assertEqual((self.version(), self.rows()), (NEWEST, before))

    def test_killed_at_any_moment(self):
        expected = self.rows()
        codes, versions = set(), set()
        for _ in range(25):
            self.make(1)
            process = self.lade.start("images", "ls", "-q")
            # Not to wait for anything: so that the kill comes at another moment each time.
            time.sleep(random.random() * 0.02)
            process.kill()
            process.communicate()
            codes.add(process.returncode)
            versions.add(self.version())
            self.assertLessEqual(versions, {1, NEWEST})
            self.assertEqual(self.rows(), expected)
            self.assertEqual(self.lade.ok("images", "ls", "-q").out, NAME + "\n")
            self.assertEqual(self.version(), NEWEST)
        self.assertLessEqual(codes, {0, -signal.SIGKILL})

    def test_a_newer_store_is_left_alone(self):
        with self.database() as database:
            database.execute(f"PRAGMA user_version = {NEWEST + 1}")
        before = self.rows()
        self.fails(self.lade.run("images", "ls"), 5, "newer lade", str(NEWEST + 1))
        self.assertEqual((self.version(), self.rows()), (NEWEST + 1, before))


if __name__ == "__main__":
    unittest.main()
