"""Killed at every named point between two steps: the next command works, doing it again gives what a run that nobody
killed gives, and a collection leaves no directory without a row and no row without a directory."""

import os
import re
import shutil
import signal
import subprocess
import unittest
from pathlib import Path

from support import kinds, tree
from support.archives import layout_entries, tar
from support.broken import RegistryCase
from support.images import Image, Layer
from support.invariants import violations
from support.program import BINARY, Lade, need_root

SOURCES = Path(__file__).resolve().parents[2] / "src"
ELSEWHERE = ("ingest.", "copy.")  # of copies between stores, which have a test of their own
ALREADY_DONE = (0, 3, 4)  # not found, or there already: the killed run had done it


def points():
    """From the sources, so that none can be forgotten."""
    texts = (path.read_text() for path in sorted(SOURCES.rglob("*.cpp")))
    return sorted({name for text in texts for name in re.findall(r'fault::point\("([^"]+)"\)', text) if not name.startswith(ELSEWHERE)})


def image():
    base = Layer().dir("./").dir("d/").file("d/old", "old").file("f", "x" * 5000)
    second = Layer().file("d/new", "new").whiteout("f")
    # A hard link to a layer below: it is made a second time, on top of the others.
    third = Layer().link("linked", "d/old").dir("e/").opaque("d")
    return Image([base, second, third])


class Crash(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        if b"LADE_FAULT" not in BINARY.read_bytes():
            self.skipTest("the program was built without -Dfaults=true")

    def prepared(self, snapshotter, place):
        """Stores to begin with, below `place`: name -> (store, command that is to be killed)."""
        ref = self.registry.add(image())
        pulled = Lade(place / "pulled")
        empty = Lade(place / "empty")
        empty.ok("namespaces", "create", "n")
        archive = place / "archive.tar"
        archive.write_bytes(tar(layout_entries({"one:1": image(), "two:1": image()})))
        pulled.ok("images", "pull", "--no-unpack", ref)
        unpacked = Lade(place / "unpacked")
        self.copy(pulled.root, unpacked.root)
        top = unpacked.json("images", "unpack", "--snapshotter", snapshotter, ref)["chain_id"]
        doomed = Lade(place / "doomed")
        self.copy(unpacked.root, doomed.root)
        doomed.ok("--no-gc", "images", "rm", ref)
        snapshots = ("snapshots", "--snapshotter", snapshotter)
        work = Lade(place / "work")
        self.copy(unpacked.root, work.root)
        work.ok(*snapshots, "prepare", "work", top)
        point = place / "point"
        point.mkdir()
        work.ok(*snapshots, "mount", point, "work")
        (point / "added").write_text("added")
        with open(point / "linked", "a") as file:
            file.write("changed, so that it is copied up")
        work.ok(*snapshots, "unmount", point)
        return {
            "unpack": (pulled, ("images", "unpack", "--snapshotter", snapshotter, ref)),
            "import": (empty, ("images", "import", "--snapshotter", snapshotter, archive)),
            "gc": (doomed, ("gc",)),
            "prepare": (unpacked, (*snapshots, "prepare", "new", top)),
            "prepare on nothing": (unpacked, (*snapshots, "prepare", "new")),
            "view": (unpacked, (*snapshots, "view", "new", top)),
            "commit": (work, (*snapshots, "commit", "done", "work")),
            "rm": (work, (*snapshots, "rm", "work")),
        }

    @staticmethod
    def copy(source, target):
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", source, target], check=True)
        for subvolume in source.glob("snapshots/btrfs/*/fs"):
            copied = target / subvolume.relative_to(source)
            shutil.rmtree(copied)
            subprocess.run(["btrfs", "-q", "subvolume", "snapshot", subvolume, copied], check=True)

    def state(self, lade, snapshotter):
        """What people see: rows without their times, and the trees."""
        seen = {}
        for row in lade.json("snapshots", "--snapshotter", snapshotter, "ls"):
            facts = {name: row[name] for name in ("parent", "kind", "labels")}
            if "containerd.io/gc.root" in facts["labels"]:
                facts["labels"]["containerd.io/gc.root"] = "since then"
            path = lade.json("snapshots", "--snapshotter", snapshotter, "info", row["key"])["path"]
            if os.path.isdir(path):
                facts["tree"] = self.described(path)
            elif row["kind"] == "committed":
                facts["tree"] = self.shown(lade, snapshotter, row["key"])
            seen[row["key"]] = facts
        return seen, sorted(row["name"] for row in lade.json("images", "ls"))

    def shown(self, lade, snapshotter, key):
        """The tree of a committed snapshot that is no directory: by a view of it."""
        point = self.scratch / "shown"
        point.mkdir(exist_ok=True)
        snapshots = ("snapshots", "--snapshotter", snapshotter)
        lade.ok(*snapshots, "view", "to-be-seen", key)
        lade.ok(*snapshots, "mount", "to-be-seen", point)
        try:
            return self.described(point)
        finally:
            lade.ok(*snapshots, "unmount", point)
            lade.ok(*snapshots, "rm", "to-be-seen")

    @staticmethod
    def described(path):
        found = tree.describe(path)
        # The top is as old as what was last made in it where nobody says otherwise; whiteouts are as old as they are.
        for name, facts in found.items():
            if name == b"." or facts.get("device") == (0, 0):
                facts.pop("mtime")
                facts.pop("linked", None)
        return found

    def kill_everywhere(self, snapshotter, what, begin, command, reached):
        lade = Lade(begin.root.parent / "killed")
        self.copy(begin.root, lade.root)
        lade.ok(*command)
        lade.ok("gc")
        want = self.state(lade, snapshotter)
        for point in points():
            with self.subTest(snapshotter=snapshotter, what=what, point=point):
                self.copy(begin.root, lade.root)
                killed = lade.run(*command, env={"LADE_FAULT": point})
                if killed.code != -signal.SIGKILL:
                    self.assertEqual(killed.code, 0, killed.err)
                    continue
                reached.add(point)
                lade.ok("snapshots", "--snapshotter", snapshotter, "ls")
                again = lade.run(*command)
                self.assertIn(again.code, ALREADY_DONE, again.err)
                lade.ok("gc")
                found = self.state(lade, snapshotter)
                self.assertEqual(found, want)
                self.assertEqual(violations(lade.root), [])
                self.assertEqual(os.listdir(lade.root / "trash"), [])
                # And a collection alone, without doing it again.
                self.copy(begin.root, lade.root)
                lade.run(*command, env={"LADE_FAULT": point})
                lade.ok("gc")
                self.assertEqual(violations(lade.root), [])
                self.assertEqual(os.listdir(lade.root / "trash"), [])

    def test_killed_at_every_named_point(self):
        reached = set()
        for snapshotter in kinds.KINDS:
            with self.subTest(snapshotter):
                place = kinds.store_for(self, snapshotter).root.parent / snapshotter
                place.mkdir()
                for what, (begin, command) in self.prepared(snapshotter, place).items():
                    self.kill_everywhere(snapshotter, what, begin, command, reached)
        self.assertEqual(sorted(reached), points(), "points that no command here comes by")


if __name__ == "__main__":
    unittest.main()
