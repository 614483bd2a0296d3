"""The command gc, what collects by itself, and `why`."""

import os
import sqlite3
import unittest
from datetime import datetime, timedelta, timezone

from support.gcstore import GcStore, digest_of
from support.program import Case

GC = "containerd.io/gc."


def in_hours(hours):
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


class GcCase(Case):
    def setUp(self):
        super().setUp()
        self.lade.ok("namespaces", "create", "default")
        self.store = GcStore(self.lade)
        self.addCleanup(self.store.close)

    def write(self, rows, files=True):
        """Keys without a namespace are the default's."""
        full = {(node[0], "default", *node[1:]) if len(node) == 2 else node: row for node, row in rows.items()}
        self.store.write(full)
        for text in ("a", "b", "c"):
            if files and any(node[0] == "content" and node[2] == digest_of(text) for node in full):
                self.store.write_blob(text)

    def image(self, target="a", **labels):
        return {"target": ("content", "default", digest_of(target)), "labels": {GC + k: v for k, v in labels.items()}}

    def content(self, labels=None):
        return {"labels": labels or {}}


class Gc(GcCase):
    def test_the_output(self):
        self.write({("content", digest_of("a")): self.content(), ("content", digest_of("b")): self.content(), ("image", "i"): self.image("a"), ("image", "old"): self.image("b", expire=in_hours(-1)), ("lease", "l"): {"labels": {GC + "expire": in_hours(-1)}, "holds": [], "owner": None}})
        (self.lade.root / "content/blobs/sha256/junk").write_text("12345")
        before = sorted(self.store.nodes())
        lines = f"lease default l\nimage default old\ncontent default {digest_of('b')}\nfile blobs/sha256/junk\n"
        dry = self.lade.ok("gc", "--dry-run")
        self.assertEqual(dry.out, lines)
        self.assertRegex(dry.err, r"^lade: would free 1\.0 B \(mark \d+\.\d{3} s, sweep \d+\.\d{3} s, files \d+\.\d{3} s, trash \d+\.\d{3} s\)\n$")
        self.assertEqual(sorted(self.store.nodes()), before)
        real = self.lade.ok("gc")
        self.assertEqual(real.out, lines)
        self.assertIn("freed 1.0 B (", real.err)
        empty = self.lade.json("gc")
        self.assertEqual(empty["bytes"], 0)
        self.assertFalse(any(empty["removed"].values()))

    def test_a_store_that_is_not_there_stays_away(self):
        result = self.lade.json("gc", "--root", self.scratch / "nowhere")
        self.assertEqual(result["missing"], [])
        self.assertFalse((self.scratch / "nowhere").exists())

    def test_what_is_needed_and_gone_is_named_and_stays(self):
        self.write({("content", digest_of("a")): self.content(), ("content", digest_of("b")): self.content(), ("image", "i"): self.image("a"), ("snapshot", ("overlayfs", "s")): {"parent": None, "labels": {GC + "root": "1"}}}, files=False)
        self.store.snapshot_path("overlayfs", 1).rename(self.scratch / "away")
        result = self.lade.run("gc")
        self.assertEqual(result.code, 0)
        self.assertIn(f"warning: {digest_of('a')} of namespace default", result.err)
        self.assertIn("warning: snapshots/overlayfs/s of namespace default", result.err)
        self.assertEqual(result.out, f"content default {digest_of('b')}\n")
        missing = self.lade.json("gc")["missing"]
        self.assertEqual(missing, [{"namespace": "default", "key": digest_of("a")}, {"namespace": "default", "key": "snapshots/overlayfs/s"}])

    def test_strange_things_below_snapshots_go(self):
        folder = self.lade.root / "snapshots"
        for name in ("overlayfs/junk", "overlayfs/77", "zfs/1"):
            (folder / name).mkdir(parents=True)
        (folder / "file").write_text("x")
        self.write({("snapshot", ("overlayfs", "s")): {"parent": None, "labels": {GC + "root": "1"}}})
        dry = self.lade.json("gc", "--dry-run")
        names = [f"snapshots/{name}" for name in ("file", "overlayfs/77", "overlayfs/junk", "zfs")]
        self.assertEqual([f["key"] for f in dry["removed"]["files"]], names)
        real = self.lade.json("gc")
        self.assertEqual(real["removed"], dry["removed"])
        self.assertEqual(real["bytes"], dry["bytes"])
        self.assertEqual(sorted(os.listdir(folder)), ["overlayfs"])
        self.assertEqual(os.listdir(folder / "overlayfs"), ["1"])

    def test_readers_do_not_wait_for_it(self):
        self.write({("content", digest_of("a")): self.content(), ("image", "i"): self.image("a")})
        other = sqlite3.connect(self.lade.root / "meta.db", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        self.assertEqual(self.lade.ok("content", "why", digest_of("a")).out, f"image i\n  -> target content {digest_of('a')}\n")

    def test_the_next_change_collects_what_expired(self):
        self.write({("content", digest_of("a")): self.content(), ("image", "i"): self.image("a", expire=in_hours(-1))})
        self.lade.ok("namespaces", "create", "new", "--no-gc")
        self.assertIn(("image", "default", "i"), self.store.nodes())
        self.lade.ok("namespaces", "create", "newer")
        self.assertEqual(self.store.nodes(), set())
        self.assertFalse(self.store.blob_path(digest_of("a")).exists())
        self.assertEqual(self.store.events("/images/delete", "name"), ["i"])

    def test_what_stays_though_expired_is_looked_at_once(self):
        self.write({("content", digest_of("a")): self.content(), ("image", "i"): self.image("a", expire=in_hours(-1)), ("image", "main"): self.image("a", **{"ref.image": "i"})})
        self.lade.ok("gc")
        # A file without a row shows whether a collection ran.
        self.store.write_blob("b")
        self.lade.ok("namespaces", "create", "new")
        self.assertTrue(self.store.blob_path(digest_of("b")).exists())
        self.lade.ok("images", "rm", "main")
        self.assertEqual(self.store.nodes(), set())
        self.assertFalse(self.store.blob_path(digest_of("b")).exists())


class Why(GcCase):
    def test_the_shortest_way_from_each_root(self):
        self.write({
            ("content", digest_of("a")): self.content({GC + "ref.content.config": digest_of("b")}),
            ("content", digest_of("b")): self.content({GC + "ref.snapshot.overlayfs": "top"}),
            ("snapshot", ("overlayfs", "base")): {"parent": None, "labels": {}},
            ("snapshot", ("overlayfs", "top")): {"parent": ("snapshot", "default", ("overlayfs", "base")), "labels": {}},
            ("image", "i"): self.image("a"),
            ("lease", "l"): {"labels": {}, "holds": [("snapshot", "default", ("overlayfs", "top"))], "owner": None},
        })  # fmt: skip
        result = self.lade.ok("snapshots", "why", "base")
        self.assertEqual(result.out.splitlines(), [
            "lease l",
            "  -> holds snapshot overlayfs/top",
            "    -> parent snapshot overlayfs/base",
            "image i",
            f"  -> target content {digest_of('a')}",
            f"    -> {GC}ref.content.config content {digest_of('b')}",
            f"      -> {GC}ref.snapshot.overlayfs snapshot overlayfs/top",
            "        -> parent snapshot overlayfs/base",
        ])  # fmt: skip
        why = self.lade.json("snapshots", "why", "base")
        self.assertEqual((why["type"], why["key"], why["roots"]), ("snapshot", "overlayfs/base", 2))
        self.assertEqual(why["chains"][0][1], {"via": "holds", "type": "snapshot", "key": "overlayfs/top"})
        self.assertEqual(self.lade.ok("snapshots", "why", "base", "--snapshotter", "overlayfs").out, result.out)

    def test_an_object_that_is_a_root(self):
        self.write({("content", digest_of("a")): self.content({GC + "root": "1"})})
        self.assertEqual(self.lade.ok("content", "why", digest_of("a")).out, f"content {digest_of('a')}\n")

    def test_nothing(self):
        self.write({("content", digest_of("a")): self.content()})
        self.assertEqual(self.lade.ok("content", "why", digest_of("a")).out, "nothing; the next gc takes it\n")
        self.assertEqual(self.lade.json("content", "why", digest_of("a"))["chains"], [])

    def test_ten_at_most(self):
        self.write({("content", digest_of("a")): self.content(), **{("image", f"i{n:02}"): self.image("a") for n in range(13)}})
        result = self.lade.ok("content", "why", digest_of("a"))
        self.assertEqual(len(result.out.splitlines()), 20)
        self.assertIn("3 more keep it", result.err)
        why = self.lade.json("content", "why", digest_of("a"))
        self.assertEqual((why["roots"], len(why["chains"])), (13, 10))

    def test_wrong_uses(self):
        self.fails(self.lade.run("content", "why", digest_of("a")), 3, digest_of("a"), "not found")
        self.fails(self.lade.run("content", "why", "nonsense"), 2, "nonsense")
        self.fails(self.lade.run("content", "why"), 2, "digest")
        self.fails(self.lade.run("snapshots", "why", "s"), 3, "s", "not found")
        self.fails(self.lade.run("snapshots", "--snapshotter", "zfs", "why", "s"), 2, "zfs")
        self.fails(self.lade.run("-n", "nowhere", "content", "why", digest_of("a")), 3, "not found")


if __name__ == "__main__":
    unittest.main()
