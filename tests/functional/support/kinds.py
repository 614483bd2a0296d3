"""The snapshotters, each in a store where it can work."""

import shutil
import subprocess
import tempfile
import unittest
from contextlib import contextmanager
from pathlib import Path

from support.program import Lade

KINDS = ("overlayfs", "native", "btrfs", "erofs")


@contextmanager
def btrfs(megabytes=4096):
    """A directory on a fresh btrfs."""
    if shutil.which("mkfs.btrfs") is None:
        raise unittest.SkipTest("mkfs.btrfs is not installed (package btrfs-progs)")
    scratch = Path(tempfile.mkdtemp(prefix="lade-btrfs-"))
    try:
        image, point = scratch / "image", scratch / "mount"
        point.mkdir()
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True)
        mount = subprocess.run(["mount", "-o", "loop", image, point], capture_output=True, text=True)
        if mount.returncode != 0:
            raise unittest.SkipTest(f"no btrfs here: {mount.stderr.strip()}")
        try:
            yield point
        finally:
            subprocess.run(["umount", point], check=True)
    finally:
        shutil.rmtree(scratch)


@contextmanager
def mounted(lade, kind, key, point):
    """The directory, made for it, while the snapshot is mounted there."""
    point.mkdir()
    lade.ok("snapshots", "--snapshotter", kind, "mount", point, key)
    try:
        yield point
    finally:
        lade.ok("snapshots", "unmount", point)


def store_for(case, kind):
    """A store of the test case's own in which `kind` works; skips the test, with the reason, where there is none."""
    root = case.scratch / f"store-{kind}"
    if kind == "btrfs":
        place = btrfs()
        root = place.__enter__() / "store"
        case.addCleanup(place.__exit__, None, None, None)
    lade = Lade(root)
    (plugin,) = lade.json("plugins", "ls", "type==io.containerd.snapshotter.v1,id==" + kind)
    if plugin["status"] != "ok":
        raise unittest.SkipTest(f"{kind}: {plugin['reason']}")
    return lade
