"""Namespaces: made by the first write, gone when they are empty."""

import sqlite3
import unittest

from support.broken import BrokenRegistry
from support.images import Image, Layer
from support.program import Case, need_root


class Namespaces(Case):
    def names(self):
        return [one["name"] for one in self.lade.json("namespaces", "ls")]

    def test_create_label_ls(self):
        self.lade.ok("namespaces", "create", "b", "k=v", "flag")
        self.lade.ok("ns", "c", "a")
        self.fails(self.lade.run("namespaces", "create", "a"), 4, '"a"', "already exists")
        self.lade.ok("namespaces", "label", "b", "k=", "z=1")
        self.lade.ok("namespaces", "label", "made", "x=y")
        self.assertEqual(self.lade.ok("namespaces", "ls", "-q").out, "a\nb\nmade\n")
        lines = self.lade.ok("namespaces", "ls").out.splitlines()
        self.assertEqual([line.split() for line in lines], [["NAME", "LABELS"], ["a"], ["b", "flag=true,z=1"], ["made", "x=y"]])
        self.assertEqual(self.lade.json("namespaces", "ls", "labels.z"), [{"name": "b", "labels": {"flag": "true", "z": "1"}}])
        self.assertEqual(self.lade.ok("namespaces", "ls", "-q", "name==a", "name==made").out, "a\nmade\n")
        for bad in ("", "a/b", "a--b", "-", "x" * 77):
            self.assertEqual(self.lade.run("namespaces", "create", "--", bad).code, 2, bad)
            self.assertEqual(self.lade.run("namespaces", "label", "--", bad, "k=v").code, 2, bad)

    def test_the_first_write_makes_it_and_a_read_does_not(self):
        self.lade.ok("leases", "create")
        self.assertEqual(self.lade.json("-n", "x", "leases", "ls"), [])
        self.lade.run("-n", "y", "images", "unpack", "none")
        self.assertEqual(self.names(), ["default"])
        self.lade.ok("-n", "x", "leases", "create")
        self.assertEqual(self.names(), ["default", "x"])

    def test_rm(self):
        for name in ("a", "b", "c"):
            self.lade.ok("namespaces", "create", name)
        self.lade.ok("-n", "b", "leases", "create", "--id", "l")
        result = self.lade.run("namespaces", "rm", "a", "b", "none", "c")
        self.assertEqual((result.code, result.out), (5, "a\nnone\nc\n"))
        self.fails(result, 5, 'namespace "b" must be empty, but it still has 1 lease')
        self.assertEqual(self.names(), ["b"])
        self.lade.ok("-n", "b", "leases", "rm", "l")
        self.lade.ok("namespaces", "rm", "b")
        self.assertEqual(self.names(), [])

    def test_rm_says_all_that_is_left(self):
        need_root()
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        ref = registry.add(Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")], change=lambda config, layers: config.update(config={"Cmd": ["sh"]})))
        self.lade.ok("-n", "x", "images", "pull", ref)
        self.lade.ok("-n", "x", "containers", "create", ref, "c1")
        self.lade.ok("-n", "x", "containers", "create", "--snapshotter", "native", ref, "c2")
        for name in ("l1", "l2"):
            self.lade.ok("-n", "x", "leases", "create", "--id", name)
        database = sqlite3.connect(self.lade.root / "meta.db")
        database.execute("INSERT INTO ingests (namespace, ref, expires) VALUES ('x', 'r', 4000000000000000000)")
        database.commit()
        database.close()
        self.fails(self.lade.run("namespaces", "rm", "x"), 5, 'still has 1 image, 4 blobs, 2 containers, snapshots on "native" snapshotter (3), snapshots on "overlayfs" snapshotter (3), 2 leases, 1 ingest')

    def test_what_nothing_keeps_does_not_keep_a_namespace(self):
        need_root()
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        ref = registry.add(Image([Layer().file("a", "aaa")]))
        self.lade.ok("-n", "x", "images", "pull", ref)
        self.lade.ok("-n", "x", "images", "rm", "--no-gc", ref)
        self.fails(self.lade.run("--no-gc", "namespaces", "rm", "x"), 5, '3 blobs, snapshots on "overlayfs" snapshotter (1)')
        self.assertEqual(self.lade.ok("namespaces", "rm", "x").out, "x\n")
        self.assertEqual(self.names(), [])

    def test_the_snapshotter_of_a_namespace(self):
        need_root()
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        ref = registry.add(Image([Layer().file("a", "aaa")], change=lambda config, layers: config.update(config={"Cmd": ["sh"]})))
        self.lade.ok("namespaces", "label", "x", "containerd.io/defaults/snapshotter=native")
        self.lade.ok("-n", "x", "images", "pull", ref)
        self.lade.ok("-n", "x", "containers", "create", ref, "c")
        self.assertEqual(len(self.lade.json("-n", "x", "snapshots", "ls")), 2)
        self.assertEqual(self.lade.json("-n", "x", "snapshots", "--snapshotter", "overlayfs", "ls"), [])


if __name__ == "__main__":
    unittest.main()
