"""A store on a disk that is full, or on a file system that is read-only."""

import errno
import os
import re

from support.images import Image, Layer
from support.mounting import Inside, MountCase

LISTINGS = ("images ls", "snapshots ls", "snapshots tree", "snapshots usage", "snapshots info work", "content ls", "content active", "leases ls", "namespaces ls", "containers ls", "events", "gc --dry-run", "snapshots why work")


class DiskCase(MountCase):
    def setUp(self):
        super().setUp()
        self.disk = self.directory("disk")
        self.sh('mount -t tmpfs -o size=8m none "$1"', self.disk)
        self.lade = Inside(self.disk / "store", self.holder)
        self.ref = self.registry.add(Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")]))
        (self.chain,) = self.lade.json("images", "pull", self.ref)["chain_ids"]
        self.lade.ok("snapshots", "prepare", "work", self.chain)
        self.lade.ok("leases", "create", "--id", "kept")

    def texts(self, *without):
        """What each listing prints, but for how old things are by now, and the width of that."""
        age = re.compile(r"Less than a second|About a minute|\d+ (?:seconds?|minutes)")
        return {listing: re.sub(" +", " ", age.sub("AGE", self.lade.ok(*listing.split()).out)) for listing in LISTINGS if listing not in without}


class FullDisk(DiskCase):
    def fill(self):
        with open(self.seen(self.disk / "fill"), "wb", buffering=0) as file:
            with self.assertRaises(OSError) as raised:
                while True:
                    file.write(b"\0" * 4096)
        self.assertEqual(raised.exception.errno, errno.ENOSPC)

    def test_what_is_there_can_be_listed(self):
        # A collection writes, also one that takes all of it back.
        before = self.texts("gc --dry-run")
        self.fill()
        self.assertEqual(self.texts("gc --dry-run"), before)
        self.assertNotIn(" error", self.lade.ok("plugins", "ls").out)
        self.assertEqual(self.lade.ok("content", "get", self.lade.json("images", "ls")[0]["target"]["digest"]).err, "")

    def test_what_needs_room_says_so(self):
        self.fill()
        for command in (["snapshots", "prepare", "more"], ["images", "tag", self.ref, "other"], ["leases", "create"], ["images", "pull", self.ref]):
            with self.subTest(command):
                self.fails(self.lade.run(*command), 9, "No space left on device")
        # Whoever stays would keep those out who make room.
        self.fails(self.lade.run("events", "--follow"), 9, "full")
        os.unlink(self.seen(self.disk / "fill"))
        self.lade.ok("snapshots", "prepare", "more")

    def test_trash_goes_first(self):
        os.unlink(self.seen(self.lade.root / "reserve"))
        for command in (["snapshots", "rm", "work"], ["images", "rm", self.ref], ["gc"]):
            with self.subTest(command):
                trash = self.seen(self.lade.root / "trash" / "left")
                trash.mkdir()
                (trash / "big").write_bytes(b"x" * 300_000)
                self.fill()
                self.lade.ok(*command)
                self.assertFalse(trash.exists())
                os.unlink(self.seen(self.disk / "fill"))
        self.assertEqual(self.lade.json("snapshots", "ls"), [])


    def test_what_removes_has_a_reserve(self):
        reserve = self.seen(self.lade.root / "reserve")
        for command in (["snapshots", "rm", "work"], ["leases", "rm", "kept"], ["images", "rm", self.ref]):
            with self.subTest(command):
                self.assertGreater(reserve.stat().st_blocks, 100)
                self.fill()
                self.lade.ok(*command)
                self.assertEqual(reserve.stat().st_size, 0)
                os.unlink(self.seen(self.disk / "fill"))
                # The next that changes something makes it again.
                self.lade.ok("namespaces", "create", command[0])
        self.assertEqual((self.lade.json("snapshots", "ls"), self.lade.json("content", "ls")), ([], []))

    def test_a_collection_has_a_reserve(self):
        self.lade.ok("--no-gc", "images", "rm", self.ref)
        self.lade.ok("--no-gc", "snapshots", "rm", "work")
        self.fill()
        self.lade.ok("gc")
        self.assertEqual(self.lade.json("snapshots", "ls"), [])


class ReadOnly(DiskCase):
    def test_it_can_be_read(self):
        before = self.texts("gc --dry-run")
        self.sh('mount -o remount,ro "$1"', self.disk)
        self.assertEqual(self.texts("gc --dry-run"), before)
        self.assertNotIn(" error", self.lade.ok("plugins", "ls").out)
        self.lade.ok("snapshots", "--snapshotter", "native", "ls")
        self.assertEqual(self.lade.json("images", "check")[0]["status"], "complete")

    def test_what_changes_it_says_so(self):
        self.sh('mount -o remount,ro "$1"', self.disk)
        for command in (["snapshots", "rm", "work"], ["snapshots", "prepare", "b"], ["snapshots", "label", "work", "a=b"], ["images", "rm", self.ref], ["images", "pull", self.ref], ["images", "tag", self.ref, "o"], ["gc"], ["leases", "create"], ["snapshots", "diff", "--store", "work"]):
            with self.subTest(command):
                self.fails(self.lade.run(*command), 7, str(self.lade.root), "read-only file system")
        self.sh('mount -o remount,rw "$1"', self.disk)
        self.lade.ok("snapshots", "rm", "work")

    def test_what_was_not_yet_written_back_is_read_too(self):
        # A process that is killed leaves a log, which is read with the rest.
        self.lade.ok("snapshots", "prepare", "more", self.chain)
        holder = self.lade.start("events", "--follow")
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.stderr.close)
        self.assertTrue(holder.stdout.readline())
        self.lade.ok("leases", "create", "--id", "late")
        self.assertIn("late", self.lade.ok("leases", "ls", "-q").out)
        holder.kill()
        holder.wait()
        self.sh('mount -o remount,ro "$1"', self.disk)
        self.assertIn("late", self.lade.ok("leases", "ls", "-q").out)

    def test_a_read_only_mount_of_what_others_write(self):
        place = self.directory("place")
        self.sh('mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"', self.disk, place)
        other = Inside(place / "store", self.holder)
        self.fails(other.run("leases", "ls"), 7, "read-only mount")
        follower = self.lade.start("events", "--follow")
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.stderr.close)
        self.assertTrue(follower.stdout.readline())
        self.lade.ok("leases", "create", "--id", "late")
        self.assertIn("late", other.ok("leases", "ls", "-q").out)
        self.fails(other.run("gc"), 7, "read-only file system")
