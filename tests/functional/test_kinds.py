"""Every snapshotter that the machine has: an image is the same tree in each, and goes without a trace."""

import os
import unittest

from support import images, tree
from support.broken import RegistryCase
from support.images import Image, Layer
from support.kinds import KINDS, store_for
from support.program import Case, need_root, need_tools
from support.registry import StockRegistry
from test_pull import layered


class EveryKind:
    """For a class with `ref`: the image, and `want`: its tree."""

    def check(self, kind):
        need_root()
        need_tools("umoci", "skopeo", "unshare")
        ref, want, skip = self.image()
        lade = store_for(self, kind)
        top = lade.json("images", "pull", "--snapshotter", kind, ref)["chain_ids"][0]
        lade.ok("containers", "create", "--snapshotter", kind, ref, "c", "true")
        self.assertEqual(tree.differences(tree.mounted(lade, "c", kind), want, skip=skip), [], kind)
        used = {one["key"]: one for one in lade.json("snapshots", "--snapshotter", kind, "usage")}
        self.assertGreater(used[top]["inodes"], 0)
        # All of it goes at once, and comes again from the blobs.
        infos = lade.chain_infos(top, kind)
        lade.ok("containers", "rm", "c")
        lade.ok("snapshots", "--snapshotter", kind, "rm", *(info["key"] for info in infos))
        folder = lade.root / "snapshots" / kind
        self.assertEqual(os.listdir(folder), [])
        self.assertEqual(os.listdir(lade.root / "trash"), [])
        lade.ok("images", "unpack", "--snapshotter", kind, ref)
        lade.ok("containers", "create", "--snapshotter", kind, ref, "d", "true")
        self.assertEqual(tree.differences(tree.mounted(lade, "d", kind), want, skip=skip), [], kind)
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            self.assertNotIn(str(folder), mounts.read())

    def test_overlayfs(self):
        self.check("overlayfs")

    def test_native(self):
        self.check("native")

    def test_btrfs(self):
        self.check("btrfs")

    def test_erofs(self):
        self.check("erofs")


class Debian(EveryKind, Case):
    @classmethod
    def setUpClass(cls):
        need_tools("skopeo", "umoci")
        cls.registry = StockRegistry().start()

    @classmethod
    def tearDownClass(cls):
        cls.registry.stop()

    def image(self):
        layout = images.debian_layout()
        want = tree.describe(images.umoci_unpack(layout, "debian", self.scratch / "bundle"))
        # The image has no entry for its root: there umoci has the directory it made itself.
        return self.registry.push(layout, "debian", "debian:1"), want, {b"."}


class Everything(EveryKind, RegistryCase):
    def image(self):
        base, *more = layered()
        # A layer that cannot be made without those below.
        more.append(Layer().link("linked", "etc/keep"))
        image = Image([base, *more])
        layout = image.write_layout(self.scratch / "layout")
        want = tree.describe(images.umoci_unpack(layout, "t", self.scratch / "bundle"))
        # As in test_pull: what umoci says of times is not compared where it leaves the time of unpacking.
        want[os.fsencode("n" * 200)]["mtime"] = 0
        want[b"."]["mtime"] = Layer.TIME * 10**9
        for name in (b"usr/lib/a", b"usr/lib/b"):
            want[name]["mtime"] = Layer.TIME * 10**9
        return self.registry.add(image), want, set()


class Kinds(Case):
    def test_all_of_them_are_listed_with_what_they_lack(self):
        plugins = self.lade.json("plugins", "ls", "type==io.containerd.snapshotter.v1")
        self.assertEqual(sorted(plugin["id"] for plugin in plugins), sorted(KINDS))
        for plugin in plugins:
            self.assertEqual(plugin["status"] != "ok", bool(plugin["reason"]), plugin["id"])

    def test_one_that_cannot_work_here_is_refused_with_its_reason(self):
        need_root()
        (plugin,) = self.lade.json("plugins", "ls", "id==btrfs")
        if plugin["status"] == "ok":
            raise unittest.SkipTest("the scratch directory is on btrfs")
        self.fails(self.lade.run("images", "pull", "--snapshotter", "btrfs", "127.0.0.1:1/x"), 7, "btrfs", plugin["reason"])
