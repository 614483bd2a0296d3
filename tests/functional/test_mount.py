"""images mount and unmount: an image as a directory."""

import os
import signal
import subprocess
import time

from support.images import Image, Layer
from support.mounting import MountCase
from support.program import BINARY


class ImagesMount(MountCase):
    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")])
        self.ref = self.registry.add(self.image)

    def pull(self, *args):
        return self.lade.json("images", "pull", *args, self.ref)

    def keys(self, *args):
        return [one["key"] for one in self.lade.json("snapshots", *args, "ls") if one["kind"] != "committed"]

    def names(self, target):
        return sorted(path.name for path in self.seen(target).iterdir())

    def leases(self):
        return [one["id"] for one in self.lade.json("leases", "ls")]

    def test_mount_unmount(self):
        (chain,) = self.pull()["chain_ids"]
        target = self.directory("t a ü")
        result = self.lade.ok("images", "mount", self.ref, target)
        self.assertEqual(result.out, f"{chain}\n{target}\n")
        self.assertEqual((self.names(target), self.keys(), self.leases()), (["a", "b"], [str(target)], [str(target)]))
        self.assertIn("Read-only", self.sh('rm "$1/a"', target, check=False).stderr)
        self.assertEqual(self.lade.json("snapshots", "info", target)["kind"], "view")
        (lease,) = self.lade.json("leases", "ls")
        self.assertIsNotNone(lease["expires"])
        self.assertEqual(self.lade.ok("images", "unmount", target).out, f"{target}\n")
        self.assertEqual((self.mounted(), self.keys()), ([], [str(target)]))
        # A second time it is the same snapshot.
        before = self.lade.json("snapshots", "info", target)
        self.assertEqual(self.lade.ok("images", "mount", self.ref, f"{target}/").out, f"{chain}\n{target}\n")
        self.assertEqual(self.lade.json("snapshots", "info", target), before)
        self.assertEqual(self.lade.ok("images", "unmount", "--rm", target).out, f"{target}\n")
        self.assertEqual((self.mounted(), self.keys(), self.leases()), ([], [], []))
        # What is gone is gone.
        self.lade.ok("images", "unmount", "--rm", target, self.scratch / "none")

    def test_the_key_of_a_view_without_a_directory(self):
        ref = self.registry.add(Image([Layer().file("one", "1")]), "single")
        self.lade.ok("images", "pull", ref)
        key = self.lade.json("images", "mount", ref)["key"]
        self.assertEqual((self.keys(), self.leases()), ([key], [key]))
        self.assertEqual(self.lade.ok("images", "unmount", "--rm", key).out, f"{key}\n")
        self.assertEqual((self.keys(), self.leases()), ([], []))
        self.fails(self.lade.run("images", "unmount", "--rm", key), 3, key)

    def test_to_write_to(self):
        self.pull("--no-unpack")
        target = self.directory()
        mounted = self.lade.json("images", "mount", "--rw", "-x", "0", "--label", "k=v", self.ref, target)
        self.assertEqual((mounted["key"], mounted["target"], mounted["lease"], mounted["expires"]), (str(target), str(target), str(target), None))
        self.sh('rm "$1/a"; echo c > "$1/c"', target)
        info = self.lade.json("snapshots", "info", target)
        self.assertEqual((info["kind"], info["parent"], info["labels"]), ("active", mounted["chain_id"], {"k": "v"}))
        self.lade.ok("images", "unmount", target)
        self.lade.ok("gc")
        self.lade.ok("images", "mount", "--rw", self.ref, target)
        self.assertEqual(self.names(target), ["b", "c"])
        # It stays while it is mounted, and other kinds of it are refused.
        self.fails(self.lade.run("snapshots", "rm", target), 5, "mounted at", str(target))
        self.fails(self.lade.run("images", "mount", self.ref, target), 5, "--rm")
        self.fails(self.lade.run("images", "mount", "--rw", self.ref, target), 5, "mounted at")
        self.assertEqual((self.keys(), self.leases(), self.mounted()), ([str(target)], [str(target)], [str(target)]))
        self.lade.ok("images", "unmount", "--rm", target)
        self.assertEqual((self.keys(), self.leases(), self.mounted()), ([], [], []))

    def test_a_relative_target(self):
        self.pull()
        target = self.directory()
        done = self.sh('cd "$1"; exec "$2" --root "$3" images mount "$4" ./target', self.scratch, BINARY, self.lade.root, self.ref)
        self.assertEqual(done.stdout.splitlines()[1], str(target))
        self.assertEqual(self.keys(), [str(target)])

    def test_without_a_target(self):
        self.pull()
        self.fails(self.lade.run("images", "mount", "--rw", self.ref), 5, "name one to mount it at")
        self.assertEqual((self.keys(), self.leases()), ([], []))
        mounted = self.lade.json("images", "mount", "--rw", "--snapshotter", "native", self.ref)
        self.assertRegex(mounted["key"], r"^lade-images-mount-default-[a-z0-9]{4}$")
        self.assertEqual(sorted(os.listdir(mounted["target"])), ["a", "b"])
        self.assertEqual((self.mounted(), self.leases()), ([], [mounted["key"]]))
        self.assertEqual(self.keys("--snapshotter", "native"), [mounted["key"]])

    def test_errors_leave_nothing(self):
        target = self.directory()
        self.fails(self.lade.run("images", "mount", self.ref, target), 3, "store")
        self.pull()
        for code, word, *words in (
            (3, "none", "none", target),
            (3, "none", self.ref, self.scratch / "none"),
            (2, "duration", "-x", "soon", self.ref, target),
            (2, "zfs", "--snapshotter", "zfs", self.ref, target),
        ):
            with self.subTest(words):
                self.fails(self.lade.run("images", "mount", *words), code, word)
        # The mount itself fails: the directory that is to be mounted is gone.
        chain = self.lade.json("snapshots", "ls")[0]
        path = self.lade.json("snapshots", "info", chain["key"])["path"]
        os.rename(path, path + "-away")
        self.assertNotEqual(self.lade.run("images", "mount", self.ref, target).code, 0)
        os.rename(path + "-away", path)
        self.assertEqual((self.keys(), self.leases(), self.mounted()), ([], [], []))
        self.lade.ok("images", "mount", self.ref, target)

    def test_another_image_at_the_same_place(self):
        self.pull()
        other = self.registry.add(Image([Layer().file("o", "o")]), "other")
        self.lade.ok("images", "pull", other)
        target = self.directory()
        self.lade.ok("images", "mount", self.ref, target)
        self.lade.ok("images", "unmount", target)
        self.fails(self.lade.run("images", "mount", other, target), 5, str(target))
        self.lade.ok("images", "unmount", "--rm", target)
        self.lade.ok("images", "mount", other, target)
        self.assertEqual(self.names(target), ["o"])

    def test_unmount_takes_nothing_else(self):
        self.pull()
        target, other = self.directory(), self.directory("other")
        self.sh('mount -t tmpfs none "$1"', other)
        self.lade.ok("images", "mount", self.ref, target)
        result = self.lade.run("images", "unmount", other, target)
        self.fails(result, 5, "umount", str(other))
        self.assertEqual((result.out, self.mounted()), (f"{target}\n", [str(other)]))

    def test_a_killed_mount_leaves_nothing_mounted(self):
        self.image = Image([Layer().file(str(i), "x" * 100) for i in range(12)])
        self.ref = self.registry.add(self.image, "many")
        self.pull()
        target = self.directory()
        began = time.monotonic()
        self.lade.ok("images", "mount", self.ref, target)
        whole = time.monotonic() - began
        self.lade.ok("images", "unmount", "--rm", target)
        for part in range(12):
            process = self.lade.start("images", "mount", "--rw", self.ref, target)
            try:
                process.wait(whole * part / 10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            if self.mounted():
                # It was done but for its last words: whole, and at its place alone.
                self.assertEqual((self.mounted(), len(self.names(target))), ([str(target)], 12))
            self.lade.ok("images", "unmount", "--rm", target)
            self.lade.ok("gc")
            self.assertEqual((self.mounted(), self.keys(), self.leases()), ([], [], []))
