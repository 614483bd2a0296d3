"""`snapshots diff`: real images, changed through real mounts; what comes out is applied by others and compared."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import tarfile
import termios
import time
import unittest
from pathlib import Path

from support import tree
from support.broken import RegistryCase
from support.images import Image, Layer, umoci_unpack
from support.kinds import KINDS, mounted, store_for
from support.program import TIMEOUT, need_root, need_tools

PLAIN = "application/vnd.oci.image.layer.v1.tar"
UNCOMPRESSED = "containerd.io/uncompressed"
EPOCH = 1_700_000_000


def base_layers():
    first = Layer()
    first.dir("./", mode=0o755)
    first.dir("etc/").file("etc/passwd", "root\n").file("etc/gone", "x").file("etc/kept", "kept")
    first.dir("lib/").file("lib/one", "linked").link("lib/two", "lib/one").link("lib/three", "lib/one")
    first.dir("moved/").dir("moved/deep/").file("moved/deep/file", "deep").symlink("moved/link", "deep/file")
    first.dir("again/").file("again/same", "same").file("again/other", "other")
    first.dir("tofile/").file("tofile/inside", "x").file("todir", "x")
    first.file("alone", "alone").file("copied", "copied")
    second = Layer()
    second.dir("etc/").file("etc/passwd", "root2\n").whiteout("etc/gone").dir("later/").file("later/f", "f")
    return [first.bytes(), second.bytes()]


def change(root):
    """What a container does, and then some."""
    root = Path(root)
    shutil.move(root / "moved", root / "elsewhere")
    shutil.rmtree(root / "again")
    (root / "again").mkdir()
    (root / "again/same").write_text("same")
    os.utime(root / "again/same", (Layer.TIME, Layer.TIME))
    shutil.rmtree(root / "tofile")
    (root / "tofile").write_text("a file now")
    (root / "todir").unlink()
    (root / "todir").mkdir(mode=0o700)
    (root / "todir/inside").write_text("y")
    (root / "etc/kept").unlink()
    (root / "lib/two").unlink()
    (root / "lib/two").write_text("no link any more")
    os.link(root / "alone", root / "later/alone")
    os.chmod(root / "copied", 0o600)
    os.chmod(root / "copied", 0o644)
    (root / ("n" * 200)).mkdir()
    (root / ("n" * 200) / ("m" * 200)).write_text("long")
    (root / os.fsdecode(b"bytes\xff\n")).write_text("x")
    with open(root / "sparse", "wb") as file:
        file.truncate(30_000_000)
        file.seek(20_000_000)
        file.write(b"data")
    os.setxattr(root / "etc/passwd", "user.note", b"\0binary=\n")
    os.setxattr(root / "etc", "user.directory", b"v")
    os.setxattr(root / "alone", "trusted.note", b"v")
    os.chown(root / "alone", 3_000_000, 4_000_000)
    os.setxattr(root / "todir/inside", "security.capability", b"\x01\0\0\x02\0\x04" + b"\0" * 14)
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    os.mkfifo(root / "pipe")
    os.symlink("s" * 150, root / "symlink")
    os.utime(root / "symlink", ns=(1, 1_234_567_890_123_456_789), follow_symlinks=False)
    os.utime(root / "later/f", ns=(1, 1_234_567_890_123_456_789))


class Diff(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        self.layers = base_layers()
        self.image = Image(self.layers)
        self.ref = self.registry.add(self.image)
        self.base = self.lade.json("images", "pull", self.ref)["chain_ids"][0]

    def mounted(self, key, more=""):
        """A directory where the snapshot is mounted by what the program prints, until the test ends."""
        point = self.scratch / f"mount-{key}"
        point.mkdir()
        for line in self.lade.ok("snapshots", "mounts", point, key).out.splitlines():
            subprocess.run((line + more).split(), check=True)
            self.addCleanup(subprocess.run, ["umount", str(point)], check=True)
        return point

    def changed(self, key="work", change=change, more="", parent=None):
        self.lade.ok("snapshots", "prepare", key, parent or self.base)
        point = self.mounted(key, more)
        change(point)
        return point

    def diff(self, *args, env=None, lade=None, **more):
        """The bytes that it prints."""
        lade = lade or self.lade
        done = subprocess.run(lade.command("snapshots", *args), env={**lade.env, **(env or {})}, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def entries(self, layer):
        return tarfile.open(fileobj=io.BytesIO(layer), errors="surrogateescape").getmembers()

    def unpacked(self, layers):
        """The tree that the program makes of the layers."""
        self.lade.ok("images", "pull", "--no-unpack", ref := self.registry.add(Image(layers), "applied"))
        self.lade.ok("images", "unpack", ref, "--to", into := self.scratch / f"flat-{time.monotonic_ns()}")
        return into

    def test_what_is_applied_to_the_one_gives_the_other(self):
        point = self.changed()
        layer = self.diff("diff", "--media-type", PLAIN, "work")
        want = tree.describe(point)
        made = self.unpacked([*self.layers, layer])
        self.assertEqual(tree.differences(tree.describe(made), want), [])
        # All of it once more, from nothing, and back again.
        whole = self.diff("diff", "", "work", "--media-type", PLAIN)
        self.assertEqual(tree.differences(tree.describe(self.unpacked([whole])), want), [])
        back = self.diff("diff", "work", self.base, "--media-type", PLAIN)
        with tree.stacked(self.lade.chain(self.base)) as root:
            self.assertEqual(tree.differences(tree.describe(self.unpacked([*self.layers, layer, back])), tree.describe(root)), [])

    def test_umoci_makes_the_same_of_it(self):
        need_tools("umoci")
        point = self.changed()
        layer = self.diff("diff", "work")
        layout = Image([*self.layers, gzip.decompress(layer)]).write_layout(self.scratch / "layout")
        made = umoci_unpack(layout, "t", self.scratch / "bundle")
        self.assertEqual(tree.differences(tree.describe(made), tree.describe(point)), [])

    def test_gnu_tar_and_python_read_it(self):
        need_tools("tar")
        point = self.changed()
        layer = self.diff("diff", "work", "--media-type", PLAIN)
        (into := self.scratch / "tar").mkdir()
        subprocess.run(["tar", "-x", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "-C", str(into)], input=layer, check=True)
        want, have = tree.describe(point), tree.describe(into)
        names = [name for name in have if not os.path.basename(name).startswith(b".wh.")]
        self.assertIn(b"elsewhere/deep/file", names)
        for name in names:
            # Names of one file that the layer has no reason to tell of are missing here.
            for facts in (want[name], have[name]):
                facts.pop("linked", None)
            if name != b"lib":
                self.assertEqual(have[name], want[name], name)
        listed = subprocess.run(["tar", "-t", "--quoting-style=escape"], input=layer, check=True, capture_output=True).stdout
        self.assertEqual(len(listed.splitlines()), len(self.entries(layer)))

    def test_what_is_in_it(self):
        self.changed()
        entries = {e.name: e for e in self.entries(self.diff("diff", "work", "--media-type", PLAIN))}
        names = list(entries)
        self.assertLess(names.index("etc"), names.index("etc/.wh.kept"))
        for name in (".wh.moved", "again", "again/.wh.other", "elsewhere/deep/file", "tofile", "todir/inside"):
            self.assertIn(name, names)
        for name in ("again/same", "copied", "lib/one", "lib/three", "tofile/.wh.inside", ".wh.tofile", "again/.wh..wh..opq", "etc/.wh.gone"):
            self.assertNotIn(name, names)
        self.assertEqual((entries["later/alone"].type, entries["later/alone"].linkname), (tarfile.LNKTYPE, "alone"))
        self.assertEqual((entries["alone"].uid, entries["alone"].gid), (3_000_000, 4_000_000))
        self.assertEqual(entries["symlink"].pax_headers["mtime"], "1234567890.123456789")
        whiteout = entries[".wh.moved"]
        self.assertEqual((whiteout.type, whiteout.size, whiteout.mode, whiteout.mtime, whiteout.uid), (tarfile.REGTYPE, 0, 0, 0, 0))
        self.assertTrue(all(e.uname == e.gname == "" for e in entries.values()))

    def test_every_snapshotter_gives_the_same_bytes(self):
        layers = {}
        for kind in KINDS:
            with self.subTest(kind):
                lade = store_for(self, kind)
                base = lade.json("images", "pull", "--snapshotter", kind, self.ref)["chain_ids"][0]
                lade.ok("snapshots", "--snapshotter", kind, "prepare", "work", base)
                with mounted(lade, kind, "work", self.scratch / f"mount-{kind}") as point:
                    change(point)
                diff = [self.diff("--snapshotter", kind, "diff", "work", env={"SOURCE_DATE_EPOCH": str(EPOCH)}, lade=lade) for _ in range(2)]
                self.assertEqual(diff[0], diff[1])
                layers[kind] = diff[0]
        entries = self.entries(layers["overlayfs"])
        self.assertEqual(entries[0].name, ".")
        for kind, layer in layers.items():
            with self.subTest(kind):
                self.assertEqual([e.name for e in self.entries(layer)], [e.name for e in entries])
                self.assertEqual(layer, layers["overlayfs"])
        self.assertTrue(all(e.mtime <= EPOCH for e in entries))
        self.assertIn(EPOCH, {e.mtime for e in entries})

    def test_a_change_that_keeps_size_and_time(self):
        time = 1_600_000_000_123_456_789

        def write(point, name, text):
            (point / name).write_text(text)
            os.utime(point / name, ns=(time, time))

        for kind in KINDS:
            with self.subTest(kind):
                lade = store_for(self, kind)
                parent = []
                for step in ("one", "two", "work"):
                    lade.ok("snapshots", "--snapshotter", kind, "prepare", step, *parent)
                    with mounted(lade, kind, step, self.scratch / f"mount-{kind}-{step}") as point:
                        write(point, "new" if step == "two" else "f", step[:3])
                    if step != "work":
                        lade.ok("snapshots", "--snapshotter", kind, "commit", step + "-done", step)
                        parent = [step + "-done"]

                def names(*keys):
                    layer = self.diff("--snapshotter", kind, "diff", *keys, "--media-type", PLAIN, lade=lade)
                    return [e.name for e in self.entries(layer) if e.isreg()]

                # Its own layer where it has one, and the walk over two whole trees. A copy does not tell.
                self.assertEqual(names("work"), [] if kind == "native" else ["f"])
                self.assertEqual(names("one-done", "work"), ["new"] if kind == "native" else ["f", "new"])

    def test_access_control_lists_are_left_out(self):
        acl = b"\2\0\0\0" + b"".join(struct.pack("<HHI", *entry) for entry in ((1, 6, 2**32 - 1), (2, 7, 1000), (4, 4, 2**32 - 1), (16, 7, 2**32 - 1), (32, 0, 2**32 - 1)))

        def grant(root):
            try:
                os.setxattr(root / "alone", "system.posix_acl_access", acl)
            except OSError as error:
                self.skipTest(f"no access control lists here: {error}")

        self.changed(change=grant)
        result = self.lade.ok("snapshots", "diff", "--store", "work", "--media-type", PLAIN)
        self.assertIn("warning: alone: xattr system.posix_acl_access is left out", result.err)
        (entry,) = [e for e in self.entries(self.diff("diff", "work", "--media-type", PLAIN)) if e.name == "alone"]
        self.assertEqual(entry.mode, 0o640)

    def test_owners_of_a_remapped_snapshot_are_the_containers(self):
        mapping = "0:100000:65536"
        labels = [word for kind in ("uid", "gid") for word in ("--label", f"containerd.io/snapshot/{kind}mapping={mapping}")]
        self.lade.ok("snapshots", "prepare", *labels, "work", self.base)
        point = self.scratch / "mount"
        point.mkdir()
        mount = self.lade.run("snapshots", "mount", point, "work")
        if mount.code == 5 and "idmapped" in mount.err:
            self.skipTest(mount.err)
        self.assertEqual(mount.code, 0, mount.err)
        self.addCleanup(subprocess.run, ["umount", str(point)], check=True)
        self.assertEqual(os.stat(point / "etc/passwd").st_uid, 100_000)
        os.chmod(point / "etc/passwd", 0o600)
        (point / "later/new").write_text("new")
        os.chown(point / "later/new", 100_005, 100_006)
        (point / "alone").unlink()
        mine = lambda layer: {e.name: (e.uid, e.gid) for e in self.entries(layer)}
        owners = mine(self.diff("diff", "work", "--media-type", PLAIN))
        self.assertEqual(owners, {".": (0, 0), ".wh.alone": (0, 0), "etc": (0, 0), "etc/passwd": (0, 0), "later": (0, 0), "later/new": (5, 6)})
        # The walk over the whole of it.
        whole = mine(self.diff("diff", "", "work", "--media-type", PLAIN))
        self.assertEqual(whole.pop("later/new"), (5, 6))
        self.assertEqual(set(whole.values()), {(0, 0)})
        self.assertIn("etc/kept", whole)
        self.lade.ok("images", "commit", "work", "new")
        self.lade.ok("images", "unpack", "new", "--to", flat := self.scratch / "flat")
        status = os.stat(flat / "later/new")
        self.assertEqual((status.st_uid, status.st_gid), (5, 6))
        # Somebody from outside.
        os.chown(point / "later/new", 7, 8)
        self.fails(self.lade.run("snapshots", "diff", "--store", "work"), 5, "later", "new", "owner 7:8")
        self.fails(self.lade.run("images", "commit", "work", "newer"), 5, "later", "new", "owner 7:8")

    def test_what_did_not_change_is_an_empty_layer(self):
        self.changed(change=lambda root: None)
        self.assertEqual(self.diff("diff", "work", "--media-type", PLAIN), b"\0" * 1024)
        self.assertEqual(self.diff("diff", self.base, self.base, "--media-type", PLAIN), b"\0" * 1024)
        start = self.base.removeprefix("sha256:")[:12]
        self.assertEqual(self.diff("diff", start, start, "--media-type", PLAIN), b"\0" * 1024)
        self.assertEqual(len(self.entries(self.diff("diff", "", self.base, "--media-type", PLAIN))), 22)

    def test_a_committed_snapshot_against_its_parent_is_its_layer(self):
        first, second = (self.diff("diff", s["key"], "--media-type", PLAIN) for s in reversed(self.lade.chain_infos(self.base)))
        self.assertEqual([e.name for e in self.entries(second)], ["etc", "etc/.wh.gone", "etc/passwd", "later", "later/f"])
        self.assertEqual(tree.differences(tree.describe(self.unpacked([first, second])), tree.describe(self.unpacked(self.layers))), [])

    def test_a_layer_that_speaks_of_other_places(self):
        """With redirects a directory of a lower layer that was renamed lies in the layer by name alone."""
        def rename(root):
            os.rename(root / "moved", root / "renamed")
            (root / "renamed/new").write_text("new")

        point = self.changed(change=rename, more=",redirect_dir=on")
        layer = self.diff("diff", "work", "--media-type", PLAIN)
        names = [e.name for e in self.entries(layer)]
        self.assertEqual(names, [".", ".wh.moved", "renamed", "renamed/deep", "renamed/deep/file", "renamed/link", "renamed/new"])
        self.assertEqual(tree.differences(tree.describe(self.unpacked([*self.layers, layer])), tree.describe(point)), [])

    def test_compressions_hold_the_same_tar(self):
        self.changed()
        plain = self.diff("diff", "work", "--media-type", PLAIN)
        default = self.diff("diff", "work")
        self.assertEqual(gzip.decompress(default), plain)
        self.assertEqual(default[4:8], bytes(4))
        self.assertEqual(gzip.decompress(self.diff("diff", "work", "--media-type", "application/vnd.docker.image.rootfs.diff.tar.gzip")), plain)
        self.assertLess(len(self.diff("diff", "work", "--level", "9")), len(self.diff("diff", "work", "--level", "1")))
        if shutil.which("zstd"):
            zstd = self.diff("diff", "work", "--media-type", PLAIN + "+zstd", "--level", "5")
            self.assertEqual(subprocess.run(["zstd", "-d", "-q"], input=zstd, capture_output=True, check=True).stdout, plain)

    def test_into_the_store(self):
        self.changed()
        plain = self.diff("diff", "work", "--media-type", PLAIN)
        diff_id = "sha256:" + hashlib.sha256(plain).hexdigest()
        stored = self.lade.json("snapshots", "diff", "--store", "work", "--label", "a=b")
        self.assertEqual((stored["mediaType"], stored["diff_id"]), (PLAIN + "+gzip", diff_id))
        blob = self.diff("diff", "work")
        self.assertEqual((stored["digest"], stored["size"]), ("sha256:" + hashlib.sha256(blob).hexdigest(), len(blob)))
        labels = {row["digest"]: row["labels"] for row in self.lade.json("content", "ls")}[stored["digest"]]
        self.assertEqual(labels, {"a": "b", UNCOMPRESSED: diff_id})
        self.assertIn(stored["lease"], [row["id"] for row in self.lade.json("leases", "ls")])
        self.lade.ok("gc")
        # It is there already, and has the label all the same.
        self.lade.ok("content", "label", stored["digest"], f"{UNCOMPRESSED}=", "a=")
        self.assertEqual(self.lade.ok("snapshots", "diff", "--store", "work").out.strip(), stored["digest"])
        self.assertEqual(self.lade.json("content", "label", stored["digest"])["labels"], {UNCOMPRESSED: diff_id})
        # Unless something holds it the next collection takes it.
        for row in self.lade.json("leases", "ls"):
            self.lade.ok("leases", "rm", row["id"])
        result = self.lade.ok("snapshots", "diff", "--store", "--no-lease", "work", "--no-gc")
        self.assertIn("held by nothing", result.err)
        self.lade.ok("gc")
        self.assertNotEqual(self.lade.run("content", "get", stored["digest"]).code, 0)
        # As ctr has it: the bytes, and the blob for as long as it has its label.
        self.assertEqual(self.diff("diff", "--keep", "work", "--ref", "my-ref"), blob)
        self.lade.ok("gc")
        labels = self.lade.json("content", "label", stored["digest"])["labels"]
        self.assertEqual(set(labels), {UNCOMPRESSED, "containerd.io/gc.root"})
        self.assertEqual(self.lade.json("leases", "ls"), [])
        self.assertEqual(self.lade.json("content", "active"), [])

    def test_the_lease_that_is_named_holds_it(self):
        self.changed()
        self.lade.ok("leases", "create", "--id", "mine")
        stored = self.lade.json("snapshots", "diff", "--store", "work", "--lease", "mine")
        self.assertEqual(stored["lease"], "mine")
        self.assertEqual([row["id"] for row in self.lade.json("leases", "ls")], ["mine"])
        self.lade.ok("gc")
        self.lade.ok("content", "get", stored["digest"])

    def test_what_fails_before_the_first_byte_prints_none(self):
        self.assertEqual(self.lade.run("snapshots", "diff", "absent").out, "")
        self.assertEqual(self.lade.run("snapshots", "diff", "absent", self.base).out, "")

    def test_errors(self):
        self.changed(change=lambda root: (root / "f").write_text("x"))
        self.fails(self.lade.run("snapshots", "diff", "nowhere"), 3, "diff nowhere", "not found")
        self.fails(self.lade.run("snapshots", "diff", "nowhere", "work"), 3, "nowhere")
        self.fails(self.lade.run("snapshots", "--snapshotter", "strange", "diff", "work"), 2, "strange")
        self.fails(self.lade.run("snapshots", "diff", "work", "--media-type", "text/plain"), 1, "text/plain")
        self.fails(self.lade.run("snapshots", "diff", "work", "--level", "10"), 2, "10")
        self.fails(self.lade.run("snapshots", "diff", "work", "--level", "1", "--media-type", PLAIN), 2, "not compressed")
        self.fails(self.lade.run("snapshots", "diff", "work", "--json"), 2, "--store")
        self.fails(self.lade.run("snapshots", "diff", "work", env={"SOURCE_DATE_EPOCH": "soon"}), 2, "SOURCE_DATE_EPOCH")
        self.fails(self.lade.run("snapshots", "diff", "work", prefix=("sh", "-c", '"$@" > /dev/full', "sh")), 9, "standard output")
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        done = subprocess.run(self.lade.command("snapshots", "diff", "work"), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE, text=True)
        os.close(slave)
        self.assertEqual(done.returncode, 2)
        self.assertIn("terminal", done.stderr)
        self.assertEqual((self.lade.json("leases", "ls"), self.lade.ingests()), ([], []))

    def test_what_a_layer_cannot_say(self):
        def sockets(root):
            os.mknod(root / "etc/socket", 0o140644)
            (root / "f").write_text("x")

        self.changed(change=sockets)
        result = self.lade.ok("snapshots", "diff", "--store", "work")
        self.assertIn("warning: socket etc/socket is left out", result.err)
        self.changed("reserved", lambda root: (root / ".wh.name").write_text("x"))
        self.fails(self.lade.run("snapshots", "diff", "--store", "reserved"), 5, ".wh.name")
        self.assertEqual(self.lade.ingests(), [])

    def test_what_a_killed_one_wrote_goes_with_the_next_collection(self):
        def much(root):
            (root / "big").write_bytes(os.urandom(40_000_000))

        self.changed(change=much)
        self.lade.ok("leases", "create", "--id", "mine")
        for words in (["snapshots", "diff", "--store", "work"], ["images", "commit", "work", "new"], ["snapshots", "--lease", "mine", "diff", "--store", "--ref", "named", "work"]):
            with self.subTest(words):
                process = self.lade.start(*words)
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.stderr.close)
                deadline = time.monotonic() + TIMEOUT
                while not self.lade.json("content", "active") and time.monotonic() < deadline:
                    time.sleep(0.02)
                process.kill()
                self.assertEqual(process.wait(timeout=TIMEOUT), -signal.SIGKILL)
                self.assertEqual(len(self.lade.ingests()), 1)
                # Any command that changes the store looks for what lost its owner.
                self.lade.ok("snapshots", "label", "work", "looked=1")
                self.assertEqual(self.lade.ingests(), [])

    def test_progress(self):
        self.changed()
        told = [json.loads(line) for line in self.lade.ok("snapshots", "diff", "--store", "--progress", "json", "work").err.splitlines() if line.startswith("{")]
        (step,) = [one for one in told if one["event"] == "step"]
        self.assertEqual((step["kind"], step["name"], step["stage"]), ("diff", "work", "written"))
        self.assertGreater(step["bytes"], 1000)
        self.assertRegex(self.lade.ok("images", "commit", "work", "new").err, r"(?m)^diff work written \d+\.\d [KM]iB$")
        self.assertEqual(self.lade.ok("images", "commit", "--quiet", "work", "newer").err, "")
        self.assertEqual(self.lade.run("images", "commit", "--progress", "loud", "work", "newest").code, 2)

    def test_nobody_reads_or_no_room(self):
        def much(root):
            (root / "big").write_bytes(os.urandom(3_000_000))

        self.changed(change=much)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.lade.start("snapshots", "diff", "work")
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.stderr.close)
                # The pipe is full when this many bytes wait in it.
                size = fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4)
                while (now := fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4)) == b"\0" * 4 or now != size:
                    size = now
                    time.sleep(0.05)
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=TIMEOUT), -number)
        # Whoever reads has read enough: as `content get` ends then.
        process = self.lade.start("snapshots", "diff", "work")
        self.addCleanup(process.stderr.close)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=TIMEOUT), -signal.SIGPIPE)
        small = self.lade.root / "content/ingest"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(small)], check=True)
        self.fails(self.lade.run("snapshots", "diff", "--store", "work"), 9, "diff work", "No space left")
        self.assertEqual(self.lade.ingests(), [])
        self.lade.ok("gc")
        self.assertEqual(self.lade.json("leases", "ls"), [])


if __name__ == "__main__":
    unittest.main()
