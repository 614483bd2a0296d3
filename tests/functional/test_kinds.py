"""Every snapshotter that the machine has: an image is the same tree in each, and goes without a trace."""

import os
import subprocess
import tempfile
import unittest
from contextlib import contextmanager
from pathlib import Path

from support import images, tree
from support.broken import RegistryCase
from support.images import Image, Layer
from support.kinds import KINDS, store_for
from support.program import Case, need_root, need_tools
from support.registry import StockRegistry
from test_pull import layered


@contextmanager
def full_disk(megabytes):
    """A tmpfs of that size."""
    with tempfile.TemporaryDirectory(prefix="lade-disk-") as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", place], check=True)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


class EveryKind:
    """For a class with check(kind): a test for each kind."""

    def test_overlayfs(self):
        self.check("overlayfs")

    def test_native(self):
        self.check("native")

    def test_btrfs(self):
        self.check("btrfs")

    def test_erofs(self):
        self.check("erofs")


class SameTree(EveryKind):
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


class Debian(SameTree, Case):
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


class Everything(SameTree, RegistryCase):
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


class MountedKinds(EveryKind, Case):
    """What people have mounted is known, and nothing is taken from under it."""

    def begin(self, kind):
        need_root()
        self.store = store_for(self, kind)
        self.store.env["CONTAINERD_SNAPSHOTTER"] = kind
        self.store.ok("snapshots", "prepare", "w")
        path = Path(self.store.json("snapshots", "info", "w")["path"])
        (path / "a").write_text("a")
        self.store.ok("snapshots", "commit", "base", "w")
        self.point = self.scratch / "point"
        self.point.mkdir()

    def mount(self, key, *command):
        self.store.ok("snapshots", *command)
        self.store.ok("snapshots", "mount", self.point, key)
        self.addCleanup(subprocess.run, ["umount", "-l", self.point], capture_output=True)

    def check(self, kind):
        self.begin(kind)
        self.mount("v", "view", "v", "base")
        self.store.ok("snapshots", "rm", "v")
        self.fails(self.store.run("snapshots", "rm", "base"), 5, "mounted at", str(self.point))
        self.store.ok("gc")
        self.assertEqual((self.point / "a").read_text(), "a")
        self.store.ok("snapshots", "unmount", self.point)
        self.mount("p", "prepare", "p", "base")
        (self.point / "b").write_text("b")
        # Refused for whatever reason, it is as it was.
        self.fails(self.store.run("snapshots", "commit", "top", "p"), 5, "mounted at", str(self.point))
        self.fails(self.store.run("snapshots", "commit", "--parent", "nowhere", "top", "p"), 2, "nowhere")
        self.fails(self.store.run("snapshots", "commit", "--label", "k=" + "v" * 5000, "top", "p"), 2, "label")
        (self.point / "c").write_text("c")
        os.remove(self.point / "a")
        self.store.ok("snapshots", "unmount", self.point)
        self.store.ok("snapshots", "commit", "top", "p")
        self.mount("u", "view", "u", "top")
        self.assertEqual(sorted(os.listdir(self.point)), ["b", "c"])
        self.store.ok("snapshots", "unmount", self.point)

    def test_a_subvolume_in_a_layer_would_be_lost(self):
        self.begin("btrfs")
        self.mount("p", "prepare", "p", "base")
        subprocess.run(["btrfs", "-q", "subvolume", "create", self.point / "sub"], check=True)
        self.store.ok("snapshots", "unmount", self.point)
        self.fails(self.store.run("snapshots", "commit", "top", "p"), 5, "subvolumes")
        self.store.ok("snapshots", "rm", "p")

    def test_an_image_that_is_not_made_leaves_nothing(self):
        self.begin("erofs")
        with full_disk(64) as disk:
            self.store.ok("--root", disk / "store", "snapshots", "prepare", "w")
            folder = Path(self.store.json("--root", disk / "store", "snapshots", "info", "w")["path"])
            (folder / "f").write_bytes(os.urandom(40 << 20))
            self.fails(self.store.run("--root", disk / "store", "snapshots", "commit", "top", "w"), 9, "mkfs.erofs", "No space left")
            self.assertEqual(sorted(os.listdir(folder.parent)), ["fs", "work"])
            self.store.ok("--root", disk / "store", "snapshots", "rm", "w")

    def test_an_image_that_was_being_made_goes_with_the_next_collection(self):
        self.begin("erofs")
        self.store.ok("snapshots", "prepare", "w")
        folder = Path(self.store.json("snapshots", "info", "w")["path"])
        (folder / "f").write_bytes(os.urandom(4 << 20))
        left = folder.parent / "layer.erofs.tmp"
        left.write_text("as a killed mkfs.erofs leaves it")
        self.store.ok("gc")
        self.assertFalse(left.exists())
        self.store.ok("snapshots", "commit", "top", "w")


class Options(RegistryCase):
    def options(self, kind, key="c"):
        return self.lade.json("snapshots", "--snapshotter", kind, "mounts", "/x", key)[-1]["options"]

    def test_configured_options_are_those_of_overlays_alone(self):
        need_root()
        ref = self.registry.add(Image([Layer().file("a"), Layer().file("b")]))
        self.lade.ok("images", "pull", ref)
        self.lade.ok("containers", "create", ref, "c", "true")
        self.lade.ok("containers", "create", "--snapshotter", "native", ref, "n", "true")
        self.assertNotIn("volatile", self.options("overlayfs"))
        self.lade.ok("store", "config", "overlay-mount-options", "volatile,xino=off")
        self.assertEqual(self.lade.ok("store", "config", "overlay-mount-options").out, "volatile,xino=off\n")
        self.assertEqual(self.lade.json("store", "config")["overlay-mount-options"], "volatile,xino=off")
        words = self.options("overlayfs")
        self.assertEqual([word.split("=")[0] for word in words[:5]], ["workdir", "upperdir", "lowerdir", "volatile", "xino"])
        self.assertEqual(self.options("native", "n"), ["rbind", "rw"])
        # What lade looks at by itself is none of them: the upper directory may be used again.
        self.lade.ok("containers", "create", ref, "d", "true")
        for value in ("nfs_export=on", "lowerdir=/", "volatile,", "metacopy=on", "index=on", "userxattr"):
            self.fails(self.lade.run("store", "config", "overlay-mount-options", value), 2, "overlay-mount-options")
        self.lade.ok("store", "config", "overlay-mount-options", "")
        self.assertEqual(self.lade.json("store", "config")["overlay-mount-options"], "")
        self.assertNotIn("volatile", self.options("overlayfs"))

    def test_owners_are_remapped_by_labels(self):
        need_root()
        ref = self.registry.add(Image([Layer().dir("./").file("a", uid=5, gid=6)]))
        self.lade.ok("images", "pull", ref)
        mapping = "0:100000:65536"
        labels = [word for kind in ("uid", "gid") for word in ("--snapshotter-label", f"containerd.io/snapshot/{kind}mapping={mapping}")]
        self.lade.ok("containers", "create", *labels, ref, "c", "true")
        self.assertEqual(self.options("overlayfs")[:2], [f"uidmap={mapping}", f"gidmap={mapping}"])
        status = os.stat(self.lade.json("snapshots", "info", "c")["path"])
        self.assertEqual((status.st_uid, status.st_gid), (100000, 100000))
        bad = ("--snapshotter-label", "containerd.io/snapshot/uidmapping=1:2:3")
        self.fails(self.lade.run("containers", "create", *bad, ref, "d", "true"), 2, "uidmapping")
        self.fails(self.lade.run("containers", "create", "--snapshotter", "native", *labels, ref, "e", "true"), 2, "native", "remap")
        # Nothing is left of those.
        self.assertEqual([row["key"] for row in self.lade.json("snapshots", "ls", "kind==active")], ["c"])
        self.assertEqual(self.lade.json("snapshots", "--snapshotter", "native", "ls", "kind==active"), [])
