"""Leases: what they hold, whose they are, and what goes with them."""

import fcntl
import os
import sqlite3
import threading
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer
from support.program import Case, need_root

DIGEST = "sha256:" + "a" * 64


class Records(Case):
    def held(self, lease):
        return [(one["type"], one["key"]) for one in self.lade.json("leases", "resources", lease)]

    def test_create(self):
        made = self.lade.ok("leases", "create").out.strip()
        self.assertRegex(made, r"^\d+-\w{4}$")
        self.assertEqual(self.lade.ok("leases", "create", "--id", "mine", "-x", "0", "a=b", "c").out, "mine\n")
        self.fails(self.lade.run("leases", "create", "--id", "mine"), 4, "mine", "already exists")
        leases = {one["id"]: one for one in self.lade.json("leases", "ls")}
        self.assertEqual(set(leases), {made, "mine"})
        self.assertEqual(leases["mine"]["labels"], {"a": "b", "c": "true"})
        self.assertEqual((leases["mine"]["expires"], leases["mine"]["live"], leases["mine"]["owner"]), (None, True, None))
        self.assertEqual(leases[made]["expires"], leases[made]["labels"]["containerd.io/gc.expire"])
        self.fails(self.lade.run("leases", "create", "-x", "tomorrow"), 2, "tomorrow")

    def test_ls(self):
        for name in ("b", "a", "c"):
            self.lade.ok("leases", "create", "--id", name, f"name={name}")
        lines = self.lade.ok("leases", "ls").out.splitlines()
        self.assertEqual(lines[0].split(), ["ID", "CREATED", "AT", "LABELS"])
        self.assertEqual([line.split()[0] for line in lines[1:]], ["a", "b", "c"])
        self.assertEqual(self.lade.ok("leases", "list", "-q", "id==c", "labels.name==a").out, "a\nc\n")
        self.assertEqual(self.lade.ok("leases", "ls", "-q", "created>1h").out, "a\nb\nc\n")
        self.fails(self.lade.run("leases", "ls", "id=="), 2, "filters: parse error")

    def test_rm_tries_every_one(self):
        for name in ("a", "b"):
            self.lade.ok("leases", "create", "--id", name)
        result = self.lade.run("leases", "rm", "a", "none", "b")
        self.assertEqual((result.code, result.out), (3, "a\nb\n"))
        self.assertEqual(self.lade.json("leases", "ls"), [])

    def test_resources(self):
        self.lade.ok("leases", "create", "--id", "l")
        self.lade.ok("leases", "add", "l", "content", DIGEST)
        self.lade.ok("leases", "add", "l", "content", DIGEST)
        self.lade.ok("leases", "add", "l", "snapshots/overlayfs", "a key", "other")
        self.lade.ok("leases", "add", "l", "images", "docker.io/library/a:1")
        self.lade.ok("leases", "add", "l", "ingests", "ref")
        whole = [("content", DIGEST), ("images", "docker.io/library/a:1"), ("ingests", "ref"), ("snapshots/overlayfs", "a key"), ("snapshots/overlayfs", "other")]
        self.assertEqual(self.held("l"), whole)
        lines = self.lade.ok("leases", "resources", "l").out.splitlines()
        self.assertEqual(lines[0].split(), ["TYPE", "KEY"])
        self.assertEqual(lines[1].split(), ["content", DIGEST])
        for type_, key, code in (("content", "x", 2), ("snapshots", "x", 2), ("snapshots/a/b", "x", 2), ("leases", "x", 1), ("containers", "x", 1)):
            self.fails(self.lade.run("leases", "add", "l", type_, key), code)
        self.fails(self.lade.run("leases", "add", "none", "images", "x"), 3, "none")
        result = self.lade.run("leases", "add", "l", "content", "x", "sha256:" + "b" * 64)
        self.assertEqual(result.code, 2)
        self.assertIn(("content", "sha256:" + "b" * 64), self.held("l"))
        self.lade.ok("leases", "drop", "l", "content", DIGEST, "sha256:" + "b" * 64, "sha256:" + "c" * 64)
        self.assertEqual(self.held("l"), whole[1:])
        self.fails(self.lade.run("leases", "drop", "none", "images", "x"), 3, "none")
        self.fails(self.lade.run("leases", "resources", "none"), 3, "none")

    def test_an_expired_lease_goes_with_the_next_change(self):
        self.lade.ok("leases", "create", "--id", "old", "--no-gc", "-x", "0", "containerd.io/gc.expire=2001-01-01T00:00:00Z")
        (lease,) = self.lade.json("leases", "ls")
        self.assertFalse(lease["live"])
        self.lade.ok("leases", "create", "--id", "new")
        self.assertEqual(self.lade.ok("leases", "ls", "-q").out, "new\n")

    def test_nobody_else_takes_what_looks_like_an_escape(self):
        self.lade.ok("leases", "create", "--id", "\x1b[31m")
        self.assertNotIn("\x1b", self.lade.ok("leases", "ls").out + self.lade.ok("leases", "ls", "-q").out)


class WithAnImage(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        self.image = Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")])
        self.ref = self.registry.add(self.image)

    def everything(self):
        return (len(self.lade.json("content", "ls")), len(self.lade.json("snapshots", "ls")))

    def held(self, lease):
        return [(one["type"], one["key"]) for one in self.lade.json("leases", "resources", lease)]

    def test_a_pull_under_a_lease_stays_as_long_as_the_lease(self):
        self.lade.ok("leases", "create", "--id", "keep")
        self.lade.ok("images", "pull", "--lease", "keep", self.ref)
        whole = self.everything()
        self.assertEqual(whole, (4, 2))
        self.lade.ok("images", "rm", self.ref)
        self.lade.ok("gc")
        self.assertEqual(self.everything(), whole)
        self.assertEqual({type_ for type_, _ in self.held("keep")}, {"content", "snapshots/overlayfs"})
        self.lade.ok("leases", "rm", "keep")
        self.assertEqual(self.everything(), (0, 0))
        self.assertEqual(os.listdir(self.lade.root / "content/blobs/sha256"), [])

    def test_a_pull_of_what_is_there_is_held_too(self):
        self.lade.ok("images", "pull", self.ref)
        whole = self.everything()
        self.lade.ok("leases", "create", "--id", "keep")
        self.lade.ok("--lease", "keep", "images", "pull", self.ref)
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(self.everything()[1], whole[1])
        self.lade.ok("leases", "rm", "keep")
        self.assertEqual(self.everything(), (0, 0))

    def test_an_unpacking_under_a_lease(self):
        self.lade.ok("images", "pull", "--no-unpack", self.ref)
        self.lade.ok("leases", "create", "--id", "keep")
        top = self.lade.json("images", "unpack", "--lease", "keep", self.ref)["chain_id"]
        self.assertIn(("snapshots/overlayfs", top), self.held("keep"))
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(len(self.lade.json("snapshots", "ls")), 2)
        self.lade.ok("leases", "rm", "keep")
        self.assertEqual(self.lade.json("snapshots", "ls"), [])

    def test_a_lease_that_is_not_there(self):
        self.fails(self.lade.run("--lease", "none", "images", "pull", self.ref), 3, "lease none")
        self.assertEqual(self.lade.json("images", "ls"), [])

    def test_a_snapshot_that_is_removed_is_forgotten(self):
        self.lade.ok("leases", "create", "--id", "keep")
        top = self.lade.json("images", "pull", "--lease", "keep", self.ref)["chain_ids"][0]
        self.lade.ok("snapshots", "rm", "--no-gc", "--lease", "keep", top)
        self.assertNotIn(("snapshots/overlayfs", top), self.held("keep"))

    def test_what_a_lease_is_given_by_hand(self):
        self.lade.ok("images", "pull", self.ref)
        self.lade.ok("leases", "create", "--id", "keep")
        self.lade.ok("leases", "add", "keep", "content", self.image.layers[0]["digest"])
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual([one["digest"] for one in self.lade.json("content", "ls")], [self.image.layers[0]["digest"]])
        self.lade.ok("leases", "drop", "keep", "content", self.image.layers[0]["digest"])
        self.assertEqual(self.everything(), (0, 0))

    def test_a_command_at_work_shows_whose_its_lease_is(self):
        arrived, go = threading.Event(), threading.Event()
        self.addCleanup(go.set)

        def wait(handler, path):
            if "/blobs/" in path:
                arrived.set()
                go.wait(60)

        self.registry.fault = wait
        process = self.lade.start("images", "pull", "-q", self.ref)
        self.assertTrue(arrived.wait(60))
        (lease,) = self.lade.json("leases", "ls")
        self.assertEqual((lease["owner"], lease["live"], lease["expires"]), ({"pid": process.pid, "alive": True}, True, None))
        # A collection at this moment takes nothing of it.
        self.lade.ok("gc")
        process.kill()
        process.communicate()
        (lease,) = self.lade.json("leases", "ls")
        self.assertEqual((lease["owner"]["alive"], lease["live"]), (False, False))
        go.set()
        self.registry.fault = None
        self.lade.ok("gc")
        self.assertEqual((self.lade.json("leases", "ls"), self.everything()), ([], (0, 0)))

    def test_what_a_killed_command_worked_with_is_not_held_by_the_lease_of_people(self):
        self.lade.ok("leases", "create", "--id", "keep")
        self.lade.ok("images", "pull", "--no-unpack", self.ref)
        database = sqlite3.connect(self.lade.root / "meta.db", isolation_level=None)
        # It may make rows of work, and not finish any: every commit of a layer fails.
        database.execute("CREATE TRIGGER nothing_is_committed BEFORE UPDATE OF kind ON snapshots BEGIN SELECT RAISE(ABORT, 'no'); END")
        self.assertNotEqual(self.lade.run("images", "unpack", "--lease", "keep", self.ref).code, 0)
        database.execute("DROP TRIGGER nothing_is_committed")
        self.assertEqual({type_ for type_, _ in self.held("keep")} - {"content"}, set())
        self.lade.ok("gc")
        self.assertEqual(self.lade.json("snapshots", "ls"), [])


class Owners(Case):
    """A lease row whose owner's lock nobody holds, and one whose lock this test holds."""

    def test_a_dead_owner_is_noticed_and_a_living_one_is_respected(self):
        self.lade.ok("leases", "create", "--id", "people")
        lock = self.lade.root / "locks/lease-living"
        lock.write_text(str(os.getpid()))
        with open(lock, "r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            database = sqlite3.connect(self.lade.root / "meta.db")
            for name in ("living", "dead"):
                database.execute("INSERT INTO leases (namespace, name, owner_lock, created) VALUES ('default', ?, ?, 1)", (name, "lease-" + name))
            database.commit()
            database.close()
            leases = {one["id"]: one for one in self.lade.json("leases", "ls")}
            self.assertEqual(leases["living"]["owner"], {"pid": os.getpid(), "alive": True})
            self.assertEqual(leases["dead"]["owner"], {"pid": None, "alive": False})
            self.assertEqual((leases["living"]["live"], leases["dead"]["live"], leases["people"]["live"]), (True, False, True))
            # Whoever changes the store next collects what the dead one held.
            self.lade.ok("namespaces", "create", "x")
            self.assertEqual(self.lade.ok("leases", "ls", "-q").out, "living\npeople\n")
        self.lade.ok("namespaces", "create", "y")
        self.assertEqual(self.lade.ok("leases", "ls", "-q").out, "people\n")


if __name__ == "__main__":
    unittest.main()
