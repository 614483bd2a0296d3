"""Images read without being unpacked: one flat tar, files by name, listings, and what two images do not have in common."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import tarfile
import unittest

from support import tree
from support.broken import RegistryCase
from support.images import Image, Layer, debian_layout, digest, index_of, many_files, umoci_unpack
from support.program import SANITIZED, need_root
from support.stacks import Stack

COUNT = int(os.environ.get("LADE_TEST_STACKS") or (10 if SANITIZED else 40))
# What tar(1) cannot set the time of, or sets as the clock has it.
TAR = ("tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf")


def nasty():
    """Every rule that whiteouts, links and replacements have, in four layers."""
    base = Layer()
    base.dir("./", mode=0o751, mtime=1_500_000_000)
    base.dir("etc").file("etc/passwd", "root\n", mode=0o600, uid=3, gid=4).file("etc/gone", "x").file("etc/linked", "one inode")
    base.link("etc/other-name", "etc/linked").link("etc/third-name", "etc/linked")
    base.dir("opaque").file("opaque/old", "old").dir("opaque/sub").file("opaque/sub/old", "old")
    base.dir("becomes-file").file("becomes-file/inside", "x").file("becomes-dir", "a file")
    base.symlink("way", "etc").symlink("absolute", "/etc/passwd").symlink("loop", "loop").symlink("dangling", "none").symlink("up", "../../../etc/passwd")
    base.file("usr/lib/deep/er/file", "implied", mtime=1_400_000_000)
    base.file("set-id", "x", mode=0o6755, uid=1, gid=2, pax={"SCHILY.xattr.user.note": "value"})
    base.add("pipe", tarfile.FIFOTYPE).add("null", tarfile.CHRTYPE, major=1, minor=3, mode=0o666).add("zero", tarfile.CHRTYPE, major=0, minor=0)
    base.file("empty").dir("empty-dir", mode=0o1777).dir("replaced").file("replaced/lower", "1").file("z" * 150 + "/" + "y" * 120, "long")
    base.file("esc\x1b[31m\nname", "odd")
    two = Layer()
    two.whiteout("etc/gone").opaque("opaque").file("opaque/new", "new").file("way/through-a-link", "landed in etc")
    two.whiteout("becomes-file").file("becomes-file", "now a file").dir("becomes-dir").file("becomes-dir/inside", "now a directory")
    two.link("lower-link", "etc/passwd").file("etc/linked", "an inode of its own").dir("replaced", mode=0o700).file("replaced/upper", "2")
    two.file("usr/lib/beside", "later in a directory of a lower layer").whiteout("never-there/name")
    three = Layer()
    three.whiteout("replaced").dir("replaced").file("replaced/again", "3").link("of-symlink", "absolute").whiteout("dangling")
    three.file("etc/passwd", "changed\n").dir("usr/lib/deep", mode=0o711, mtime=1_450_000_000).dir("sparse-dir")
    four = Layer().file("etc/last", "last").file("sparse-dir/zeros", b"\0" * 300_000 + b"end").file("empty-dir/now-full", "x")
    return Image([base, two, three, four])


class FlatCase(RegistryCase):
    def pull(self, image, tag="latest", *args):
        ref = self.registry.add(image, tag)
        self.lade.ok("images", "pull", "--no-unpack", "--progress", "none", *args, ref)
        return ref

    def unpacked(self, ref, name="unpacked"):
        into = self.scratch / name
        self.lade.ok("images", "unpack", "--progress", "none", ref, "--to", into)
        return into

    def exported(self, ref, name="flat", *args):
        out = self.scratch / f"{name}.tar"
        self.lade.ok("images", "export-rootfs", *args, ref, out)
        return out

    def by_tar(self, archive, name="by-tar"):
        into = self.scratch / name
        into.mkdir()
        subprocess.run([*TAR, archive, "-C", into], check=True)
        return into

    def blob(self, name):
        return self.lade.root / "content/blobs/sha256" / name.split(":")[1]

    def damage(self, name):
        """Another byte in the middle, of the same file."""
        path = self.blob(name)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        os.chmod(path, 0o600)
        path.write_bytes(data)


class ExportRootfs(FlatCase):
    def test_the_tar_is_the_tree_that_unpack_makes(self):
        need_root()
        image = nasty()
        ref = self.pull(image)
        want = tree.describe(self.unpacked(ref))
        out = self.exported(ref)
        self.assertEqual(tree.differences(tree.describe(self.by_tar(out)), want), [])
        # lade itself reads it as a layer.
        again = self.pull(Image([out.read_bytes()]), "again")
        self.assertEqual(tree.differences(tree.describe(self.unpacked(again, "again")), want), [])
        # Nothing is unpacked, nothing left.
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assertEqual(self.lade.json("leases", "ls"), [])

    def test_order(self):
        ref = self.pull(nasty())
        seen = set()
        with tarfile.open(self.exported(ref)) as archive:
            members = archive.getmembers()
        self.assertEqual(members[0].name, ".")
        for member in members[1:]:
            parent = os.path.dirname(member.name)
            self.assertTrue(parent == "" or parent in seen, member.name)
            if member.islnk():
                self.assertIn(member.linkname, seen)
            # Only a directory is told of twice.
            self.assertTrue(member.isdir() or member.name not in seen, member.name)
            self.assertFalse(os.path.basename(member.name).startswith(".wh."))
            seen.add(member.name)

    def test_the_same_bytes_to_a_pipe_each_time(self):
        ref = self.pull(nasty())
        out = self.exported(ref).read_bytes()
        for _ in range(2):
            done = subprocess.run(self.lade.command("images", "export-rootfs", ref, "-"), env=self.lade.env, stdout=subprocess.PIPE, check=True)
            self.assertEqual(done.stdout, out)

    def test_an_image_that_is_removed_while_a_pipe_is_slow(self):
        ref = self.pull(Image([Layer().file(name, os.urandom(2_000_000)) for name in "abc"]))
        whole = self.exported(ref).read_bytes()
        process = subprocess.Popen(self.lade.command("images", "export-rootfs", ref, "-"), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        with process:
            data = process.stdout.read(1000)
            self.lade.ok("images", "rm", ref)
            self.lade.ok("gc")
            self.assertEqual(self.lade.json("content", "ls"), [])
            data += process.stdout.read()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(data, whole)

    def test_random_stacks(self):
        need_root()
        seed = os.environ.get("LADE_TEST_SEED") or str(random.randrange(10**9))
        print(f"        LADE_TEST_SEED={seed}, {COUNT} stacks")
        for number in range(COUNT):
            stack = Stack(random.Random(f"{seed}-{number}"))
            ref = self.pull(Image(stack.layers, compression="plain"), f"stack-{number}")
            out = self.exported(ref, f"flat-{number}")
            again = self.pull(Image([out.read_bytes()], compression="plain"), f"again-{number}")
            found = tree.describe(self.unpacked(again, f"tree-{number}"))
            story = f"LADE_TEST_SEED={seed}, stack {number}:\n" + "\n".join(stack.story)
            self.assertEqual(tree.differences(found, stack.tree.describe()), [], story)
            want, by_tar = stack.tree.describe(), tree.describe(self.by_tar(out, f"tar-{number}"))
            # GNU tar leaves a directory the set-gid bit that it has from the one it is in.
            for path, facts in by_tar.items():
                if path in want and facts["mode"] == oct(int(want[path]["mode"], 8) | 0o2000):
                    facts["mode"] = want[path]["mode"]
            self.assertEqual(tree.differences(by_tar, want), [], story)

    def test_a_debian_image_is_what_umoci_makes(self):
        need_root()
        layout = debian_layout()
        image = layout_image(layout, "strict")
        ref = self.pull(image)
        want = tree.describe(umoci_unpack(layout, "strict", self.scratch / "umoci"))
        found = tree.describe(self.by_tar(self.exported(ref)))
        self.assertEqual(tree.differences(found, want), [])
        listed = {one["path"] for one in self.lade.json("images", "ls-files", ref)}
        self.assertEqual(listed, {os.fsdecode(b"/" + path) if path != b"." else "/" for path in found})
        motd = self.scratch / "umoci/rootfs/etc/motd"
        self.assertEqual(self.lade.ok("images", "cat", ref, "root/motd-symlink", "/root/motd-link").out, motd.read_text() * 2)

    def test_a_damaged_layer_gives_no_file(self):
        image = nasty()
        ref = self.pull(image)
        out = self.scratch / "flat.tar"
        out.write_text("as it was")
        for at in (3, 0):
            self.damage(image.layers[at]["digest"])
            self.fails(self.lade.run("images", "export-rootfs", ref, out), 8, ref, image.layers[at]["digest"])
            self.assertEqual(out.read_text(), "as it was")
            result = self.lade.run("images", "export-rootfs", ref, "-")
            self.assertEqual((result.code, result.out), (8, ""))
            self.fails(self.lade.run("images", "cat", ref, "empty"), 8, image.layers[at]["digest"])
            self.fails(self.lade.run("images", "ls-files", ref), 8, image.layers[at]["digest"])
            self.fails(self.lade.run("images", "diff", ref, ref), 8, image.layers[at]["digest"])
        self.assertEqual(sorted(os.listdir(self.scratch)), ["flat.tar", "store"])
        self.blob(image.layers[1]["digest"]).unlink()
        self.lade.ok("content", "rm", "--no-gc", image.layers[0]["digest"])
        self.fails(self.lade.run("images", "export-rootfs", ref, out), 3, image.layers[0]["digest"])

    def test_a_plain_layer_that_is_damaged_is_data_loss_whatever_it_looks_like(self):
        image = Image([Layer().file("a", "1").file("b", "2")], compression="plain")
        ref = self.pull(image)
        path = self.blob(image.layers[0]["digest"])
        data = bytearray(path.read_bytes())
        data[0] ^= 1  # a checksum of a header that does not fit
        os.chmod(path, 0o600)
        path.write_bytes(data)
        self.fails(self.lade.run("images", "ls-files", ref), 8, image.layers[0]["digest"], "other bytes")

    def test_a_layer_with_another_diff_id_is_refused(self):
        def change(config, _):
            config["rootfs"]["diff_ids"][0] = digest(b"another")

        ref = self.pull(Image([Layer().file("a", "1")], change=change))
        self.fails(self.lade.run("images", "cat", ref, "a"), 8, "wrong diff ID")

    def test_where_it_cannot_go(self):
        ref = self.pull(nasty())
        self.fails(self.lade.run("images", "export-rootfs", ref, self.scratch), 5, "no regular file")
        self.fails(self.lade.run("images", "export-rootfs", ref, self.scratch / "none" / "x.tar"), 3, "none")
        self.fails(self.lade.run("images", "export-rootfs", "none", "-"), 3, "none")
        result = subprocess.run(["script", "-qec", " ".join(self.lade.command("images", "export-rootfs", ref, "-")), "/dev/null"], env={**self.lade.env, "TERM": "dumb"}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("terminal", result.stdout)

    def test_an_interrupt_leaves_nothing(self):
        data = random.Random(1).randbytes(3_000_000)
        ref = self.pull(Image([Layer().file("a", data)], compression="plain"))
        process = self.lade.start("images", "export-rootfs", ref, "-")
        # The pipe is full: it waits for us.
        self.assertTrue(process.stdout.buffer.read(100_000))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), -signal.SIGINT)
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(sorted(os.listdir(self.scratch)), ["store"])

    def test_platforms_and_what_is_no_image(self):
        arm, amd = Image([Layer().file("a", "arm")], architecture="arm64"), Image([Layer().file("a", "amd")])
        ref = self.pull(index_of([arm, amd]), "latest", "--platform", "linux/arm64")
        self.assertEqual(self.lade.ok("images", "cat", "--platform", "linux/arm64", ref, "a").out, "arm")
        self.fails(self.lade.run("images", "cat", "--platform", "linux/amd64", ref, "a"), 3, "linux/amd64")
        self.fails(self.lade.run("images", "cat", "--platform", "linux/s390x", ref, "a"), 3, "linux/s390x")

    def test_limits_are_those_of_unpacking(self):
        ref = self.pull(nasty())
        for flag, value in (("--max-entries", 5), ("--max-size", 100), ("--max-depth", 2), ("--max-path", 20)):
            for command in (["images", "ls-files", flag, value, ref], ["images", "unpack", "--progress", "none", flag, value, ref, "--to", self.scratch / "no"]):
                self.fails(self.lade.run(*command), 9)

    def test_an_ordinary_store_is_only_read(self):
        ref = self.pull(nasty())
        before = (self.lade.root / "meta.db").read_bytes()
        self.lade.ok("images", "ls-files", ref)
        self.lade.ok("images", "cat", ref, "etc/last")
        self.assertEqual((self.lade.root / "meta.db").read_bytes(), before)


def layout_image(layout, tag):
    """An Image of what lies in an OCI layout."""
    index = json.loads((layout / "index.json").read_text())
    (root,) = [one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag]
    read = lambda name: (layout / "blobs/sha256" / name.split(":")[1]).read_bytes()
    image = Image([])
    image.blobs, image.documents = {}, {}
    text = read(root["digest"])
    image.root = image.document(text, root["mediaType"])
    manifest = json.loads(text)
    for one in (manifest["config"], *manifest["layers"]):
        image.blobs[one["digest"]] = read(one["digest"])
    return image


class Files(FlatCase):
    def test_cat(self):
        ref = self.pull(nasty())
        read = lambda *paths: self.lade.ok("images", "cat", ref, *paths).out
        self.assertEqual(read("/etc/passwd"), "changed\n")
        # A link to the file of a lower layer keeps what that had.
        self.assertEqual(read("lower-link"), "root\n")
        self.assertEqual(read("etc/linked", "etc/other-name", "etc/third-name"), "an inode of its ownone inodeone inode")
        self.assertEqual(read("way/passwd", "absolute", "up", "of-symlink"), "changed\n" * 4)
        self.assertEqual(read("etc/through-a-link"), "landed in etc")
        self.assertEqual(read("empty"), "")
        self.assertEqual(read("becomes-file", "becomes-dir/inside", "empty", "opaque/new"), "now a filenow a directorynew")
        self.assertEqual(read("sparse-dir/zeros"), "\0" * 300_000 + "end")
        # Files of several layers, there and back.
        self.assertEqual(read("etc/last", "set-id", "etc/last", "replaced/again", "set-id"), "lastxlast3x")

    def test_cat_of_what_is_no_file(self):
        ref = self.pull(nasty())
        for path, code, word in (("none", 3, "not found"), ("etc/gone", 3, "not found"), ("opaque/old", 3, "not found"), ("becomes-file/inside", 3, "not found"), ("replaced/upper", 3, "not found"),
                                 ("dangling", 3, "not found"), ("etc", 5, "a directory"), ("/", 5, "a directory"), ("pipe", 5, "a FIFO"), ("null", 5, "a device"), ("zero", 3, "not found"), ("loop", 2, "too many links")):
            result = self.lade.run("images", "cat", ref, "etc/last", path)
            self.fails(result, code, ref, path, word)
            self.assertEqual(result.out, "")

    def test_ls_files(self):
        image = nasty()
        ref = self.pull(image)
        rows = {row["path"]: row for row in self.lade.json("images", "ls-files", ref)}
        self.assertEqual(rows["/"]["mode"], "0751")
        self.assertEqual(rows["/etc/passwd"], {"path": "/etc/passwd", "type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 8, "mtime": "2020-09-13T12:26:40Z"})
        self.assertEqual(rows["/absolute"]["link"], "/etc/passwd")
        self.assertEqual((rows["/null"]["type"], rows["/null"]["device"]), ("char_device", "1:3"))
        self.assertEqual((rows["/set-id"]["mode"], rows["/set-id"]["uid"], rows["/set-id"]["xattrs"]), ("6755", 1, {"user.note": "dmFsdWU="}))
        self.assertEqual(rows["/etc/other-name"]["names"], 2)
        self.assertEqual(rows["/usr/lib/deep/er"]["mtime"], "1970-01-01T00:00:00Z")
        for gone in ("/etc/gone", "/opaque/old", "/opaque/sub", "/becomes-file/inside", "/replaced/lower", "/dangling", "/zero"):
            self.assertNotIn(gone, rows)
        lines = self.lade.ok("images", "ls-files", ref, "etc/passwd").out.splitlines()
        self.assertEqual([line.split() for line in lines], [["-rw-r--r--", "0/0", "8", "2020-09-13", "12:26", "/etc/passwd"]])
        self.assertTrue(self.lade.ok("images", "ls-files", ref, "set-id").out.startswith("-rwsr-sr-x 1/2"))
        self.assertTrue(self.lade.ok("images", "ls-files", ref, "--depth", "0", "empty-dir").out.startswith("drwxrwxrwt 0/0"))
        self.assertTrue(self.lade.ok("images", "ls-files", ref, "way").out.endswith("/way -> etc\n"))

    def test_paths(self):
        ref = self.pull(nasty())
        quiet = lambda *args: self.lade.ok("images", "ls-files", "-q", ref, *args).out.splitlines()
        everything = quiet()
        self.assertEqual(everything[0], "/")
        self.assertEqual(everything, quiet("/"))
        self.assertEqual(quiet("/etc"), [path for path in everything if (path + "/").startswith("/etc/")])
        self.assertEqual(quiet("--depth", "1", "/usr"), ["/usr", "/usr/lib"])
        self.assertEqual(quiet("way"), ["/way"])
        self.assertEqual(quiet("--depth", "0", "way/"), ["/way"])
        self.assertEqual(quiet("way/last"), ["/way/last"])
        self.assertIn("/esc\\x1b[31m\\x0aname", everything)
        raw = subprocess.run(self.lade.command("images", "ls-files", "-0", ref), env=self.lade.env, stdout=subprocess.PIPE, check=True).stdout
        self.assertIn(b"\0/esc\x1b[31m\nname\0", raw)
        for path in ("none", "etc/passwd/", "etc/passwd/x"):
            self.fails(self.lade.run("images", "ls-files", ref, path), 3, path)

    def test_an_empty_image(self):
        ref = self.pull(Image([]))
        self.assertEqual(self.lade.ok("images", "ls-files", "-q", ref).out, "/\n")
        with tarfile.open(self.exported(ref)) as archive:
            self.assertEqual(archive.getnames(), ["."])

    def test_many_entries_in_little_memory(self):
        ref = self.pull(Image([many_files(2_000 if SANITIZED else 100_000), Layer().file("etc/x", "y")], compression="gzip"))
        for command in (["ls-files", ref], ["ls-files", "--json", ref], ["cat", ref, "etc/x"], ["export-rootfs", ref, self.scratch / "o.tar"]):
            result, peak = self.lade.measured("images", *command)
            self.assertEqual(result.code, 0)
            if not SANITIZED:
                self.assertLess(peak, 64, command)


class Diff(FlatCase):
    def two(self):
        common = Layer().dir("etc").file("etc/same", "same").file("etc/gone", "12345").file("etc/size", "a").file("etc/bytes", "aaaa").file("etc/mode", "m").dir("d").file("d/f", "x")
        common.symlink("link", "a").file("etc/rewritten", "alike").file("becomes-dir", "file")
        first = Layer().file("only-first", "1" * 3000)
        second = Layer().whiteout("etc/gone").file("etc/size", "bb").file("etc/bytes", "aaab").file("etc/mode", "m", mode=0o600).file("etc/rewritten", "alike")
        second.symlink("link", "b").whiteout("d").file("new/file", "n" * 2000, mtime=5).whiteout("becomes-dir").dir("becomes-dir").file("becomes-dir/x", "x")
        second.file("etc/same-but-time", "t", mtime=7)
        first.file("etc/same-but-time", "t")
        return self.pull(Image([common, first]), "one"), self.pull(Image([common, second]), "two")

    def test_diff(self):
        one, two = self.two()
        result = self.lade.ok("images", "diff", one, two, "--json")
        rows = {row["path"]: row for row in result.json()}
        kinds = {path: (row["change"], row.get("what")) for path, row in rows.items()}
        self.assertEqual(kinds, {
            "/becomes-dir": ("changed", ["type"]), "/becomes-dir/x": ("added", None), "/d": ("removed", None), "/d/f": ("removed", None),
            "/etc/bytes": ("changed", ["content"]), "/etc/gone": ("removed", None), "/etc/mode": ("changed", ["mode"]), "/etc/same-but-time": ("changed", ["time"]),
            "/etc/size": ("changed", ["content"]), "/link": ("changed", ["content"]), "/new": ("added", None), "/new/file": ("added", None), "/only-first": ("removed", None),
        })
        self.assertEqual((rows["/etc/size"]["before"]["size"], rows["/etc/size"]["after"]["size"]), (1, 2))
        self.assertEqual((rows["/new/file"]["before"], rows["/new/file"]["after"]["size"]), (None, 2000))
        self.assertEqual(list(rows), sorted(rows))
        lines = self.lade.ok("images", "diff", one, two).out.splitlines()
        self.assertEqual([line.split()[0] + " " + next(word for word in line.split() if word.startswith("/")) for line in lines],
                         [f"{ {'added': 'A', 'removed': 'D', 'changed': 'C'}[kind] } {path}" for path, (kind, _) in kinds.items()])
        self.assertIn("C           1.0 B -> 2.0 B /etc/size (content)", lines)
        self.assertIn("3 (2.0 KiB) added, 4 (2.9 KiB) removed, 6 (8.0 B) changed", self.lade.ok("images", "diff", one, two).err)

    def test_the_other_way_and_itself(self):
        one, two = self.two()
        there = {row["path"]: row["change"] for row in self.lade.json("images", "diff", one, two)}
        back = {row["path"]: row["change"] for row in self.lade.json("images", "diff", two, one)}
        turned = {"added": "removed", "removed": "added", "changed": "changed"}
        self.assertEqual(back, {path: turned[change] for path, change in there.items()})
        self.assertEqual(self.lade.json("images", "diff", one, one), [])
        self.assertEqual(self.lade.ok("images", "diff", one, one).out, "")
        self.assertNotIn("/etc/same-but-time", self.lade.ok("images", "diff", "-q", "--ignore-times", one, two).out.splitlines())
        self.fails(self.lade.run("images", "diff", one, "none"), 3, "none")

    def test_it_is_the_difference_of_the_unpacked_trees(self):
        need_root()
        one, two = self.pull(nasty(), "one"), self.two()[1]
        a, b = tree.describe(self.unpacked(one, "a")), tree.describe(self.unpacked(two, "b"))
        facts = lambda f: {k: v for k, v in f.items() if k != "linked"}
        want = {os.fsdecode(b"/" + p if p != b"." else b"/") for p in a.keys() | b.keys() if facts(a.get(p, {})) != facts(b.get(p, {}))}
        self.assertEqual({row["path"] for row in self.lade.json("images", "diff", one, two)}, want)

    def test_files_with_several_names_in_layers_that_lie_elsewhere(self):
        def linked(other, text):
            return Layer().file("a", text).link("b", "a").link("z", "a").file("m", "m" * len(text)).file("other", other)

        one, two, three = (self.pull(Image([linked(*words)]), words[0]) for words in (("1", "same"), ("2", "same"), ("3", "else")))
        changed = lambda first, second: {row["path"]: row["what"] for row in self.lade.json("images", "diff", first, second)}
        self.assertEqual(changed(one, two), {"/other": ["content"]})
        self.assertEqual(changed(two, three), {path: ["content"] for path in ("/a", "/b", "/other", "/z")})

    def test_layers_that_lie_elsewhere_are_the_same_all_the_same(self):
        a, b = Layer().file("a", "1" * 1000).bytes(), Layer().file("b", "2" * 1000).bytes()
        one, two = self.pull(Image([a, b]), "one"), self.pull(Image([b, a], compression="zstd"), "two")
        self.assertEqual(self.lade.json("images", "diff", one, two), [])


class Sizes(FlatCase):
    def expected(self):
        """From the database and the files alone: images by name -> what they reach."""
        database = sqlite3.connect(self.lade.root / "meta.db")
        targets = dict(database.execute("SELECT name, digest FROM images WHERE namespace = 'default'"))
        labels = {}
        for name, key, value in database.execute("SELECT c.digest, l.key, l.value FROM content c JOIN content_labels l ON l.owner = c.id WHERE c.namespace = 'default' AND l.key LIKE 'containerd.io/gc.ref.%'"):
            labels.setdefault(name, []).append((key, value))
        parents = dict(database.execute("SELECT s.key, p.key FROM snapshots s LEFT JOIN snapshots p ON p.id = s.parent"))
        ids = dict(database.execute("SELECT key, id FROM snapshots"))
        reach = {}
        for name, target in targets.items():
            blobs, snapshots, pending = set(), set(), [target]
            while pending:
                one = pending.pop()
                if one in blobs or not self.blob(one).exists():
                    continue
                blobs.add(one)
                for key, value in labels.get(one, []):
                    if key.startswith("containerd.io/gc.ref.content"):
                        pending.append(value)
                    else:
                        while value:
                            snapshots.add(value)
                            value = parents[value]
            reach[name] = (blobs, snapshots)
        size = {one: self.blob(one).stat().st_size for blobs, _ in reach.values() for one in blobs}
        for key in {key for _, snapshots in reach.values() for key in snapshots}:
            path = self.lade.json("snapshots", "info", key)["path"]
            size[key] = int(subprocess.run(["du", "-s", "-B1", path], capture_output=True, text=True, check=True).stdout.split()[0])
        wanted = {}
        for name, mine in reach.items():
            others = [other for other in reach if other != name]
            for part, label in ((0, "content"), (1, "unpacked")):
                shared = {one for one in mine[part] for other in others if targets[other] != targets[name] and one in reach[other][part]}
                unique = {one for one in mine[part] if not any(one in reach[other][part] for other in others)}
                wanted.setdefault(name, {})[label] = {word: sum(size[one] for one in group) for word, group in (("size", mine[part]), ("shared", shared), ("unique", unique))}
        return wanted

    def found(self):
        return {row["name"]: {key: row[key] for key in ("content", "unpacked")} for row in self.lade.json("images", "ls")}

    def test_sizes_are_what_the_files_say(self):
        need_root()
        base = Layer().file("base", b"b" * 50_000)
        one = self.pull(Image([base, Layer().file("one", os.urandom(3000))]), "one")
        two = self.pull(Image([base, Layer().file("two", os.urandom(9000))]), "two")
        alone = self.pull(Image([Layer().file("alone", b"a" * 5000)]), "alone")
        self.lade.ok("images", "tag", alone, "other-name")
        self.assertEqual(self.found(), self.expected())
        for ref in (one, two):
            self.lade.ok("images", "unpack", "--progress", "none", ref)
        found = self.found()
        self.assertEqual(found, self.expected())
        self.assertGreater(found[one]["unpacked"]["shared"], 50_000)
        self.assertGreater(found[one]["content"]["unique"], 3000)
        self.assertEqual(found[alone]["content"]["unique"], 0)
        self.assertEqual(found[alone]["content"]["shared"], 0)
        row = {row["name"]: row for row in self.lade.json("images", "ls")}[one]
        self.assertEqual(row["disk_size"], row["content"]["size"] + row["unpacked"]["size"])

    def test_unique_is_what_a_removal_frees(self):
        need_root()
        base = Layer().file("base", b"b" * 50_000)
        one = self.pull(Image([base, Layer().file("one", os.urandom(3000))]), "one")
        self.pull(Image([base, Layer().file("two", os.urandom(9000))]), "two")
        total = lambda: sum(path.stat().st_size for path in (self.lade.root / "content/blobs").rglob("*") if path.is_file())
        unique, before = self.found()[one]["content"]["unique"], total()
        self.lade.ok("images", "rm", one)
        self.assertEqual(before - total(), unique)

    def test_what_others_keep_is_not_unique(self):
        ref = self.pull(Image([Layer().file("a", "1")]))
        unique = self.found()[ref]["content"]["unique"]
        self.assertEqual(unique, self.found()[ref]["content"]["size"])
        lease = self.lade.ok("leases", "create").out.strip()
        root = self.lade.json("images", "ls")[0]["target"]
        self.lade.ok("--lease", lease, "images", "tag", ref, "second")
        self.lade.ok("images", "rm", "second")
        self.lade.ok("content", "label", root["digest"], "containerd.io/gc.root=now")
        self.assertEqual(self.found()[ref]["content"]["unique"], 0)
        self.lade.ok("content", "label", root["digest"], "containerd.io/gc.root=")
        self.lade.ok("leases", "rm", lease)
        self.assertEqual(self.found()[ref]["content"]["unique"], unique)
        # Nothing is told of other namespaces.
        self.lade.ok("--namespace", "other", "images", "pull", "--no-unpack", "--progress", "none", ref)
        self.assertEqual(self.found()[ref]["content"]["unique"], unique)

    def test_a_filter_does_not_change_what_is_shared(self):
        base = Layer().file("base", b"b" * 50_000)
        one = self.pull(Image([base, Layer().file("one", "1")]), "one")
        self.pull(Image([base, Layer().file("two", "2")]), "two")
        (row,) = self.lade.json("images", "ls", f"name=={one}")
        self.assertEqual(row["content"], self.found()[one]["content"])
        self.assertGreater(row["content"]["shared"], 0)


class Inspect(FlatCase):
    def test_the_config_is_there(self):
        image = Image([Layer().file("a", "1")], change=lambda config, _: config.update(config={"Env": ["A=1"], "Cmd": ["sh"]}, author="me"))
        ref = self.pull(image)
        config = json.loads(image.blobs[image.config["digest"]])
        self.assertEqual(self.lade.json("images", "inspect", ref)["config"], config)
        self.assertEqual(self.lade.json("images", "inspect", "--content", ref)["config"], config)
        self.lade.ok("content", "rm", "--no-gc", image.config["digest"])
        self.assertEqual(self.lade.json("images", "inspect", ref)["config"], None)


if __name__ == "__main__":
    unittest.main()
