"""Everything else a user can say, in ctr's words."""

import json
import os
import re
import stat
import subprocess
import tarfile
import unittest
from pathlib import Path

from support import tree
from support.broken import BrokenRegistry, RegistryCase
from support.images import Image, Layer
from support.program import Case, need_root

REPOSITORY = Path(__file__).resolve().parents[2]


class WithAnImage(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        self.image = Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")])
        self.ref = self.registry.add(self.image)
        self.pulled = self.lade.json("images", "pull", self.ref)

    def test_the_store_is_for_its_owner_alone(self):
        mode = lambda path: stat.S_IMODE(os.stat(self.lade.root / path).st_mode)
        self.assertEqual(mode("."), 0o700)
        self.assertEqual(mode("meta.db"), 0o600)
        self.assertEqual(mode("snapshots"), 0o700)
        for blob in (self.lade.root / "content/blobs/sha256").iterdir():
            self.assertEqual(stat.S_IMODE(blob.stat().st_mode), 0o444)

    def test_a_directory_that_is_open_to_others(self):
        root = self.scratch / "open"
        root.mkdir(mode=0o755)
        self.lade.ok("namespaces", "create", "x", env={"LADE_ROOT": str(root)})
        self.assertEqual(root.stat().st_mode & 0o777, 0o700)
        other = self.scratch / "others"
        other.mkdir(mode=0o755)
        (other / "file").touch()
        self.fails(self.lade.run("namespaces", "create", "x", env={"LADE_ROOT": str(other)}), 5, str(other))
        self.assertEqual([path.name for path in other.iterdir()], ["file"])

    def test_the_content_is_an_oci_layout_that_others_read(self):
        (self.lade.root / "content/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (self.lade.root / "content/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [self.image.descriptor()]}))
        out = subprocess.run(["skopeo", "inspect", "--raw", f"oci:{self.lade.root}/content"], capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
        self.assertEqual(out, self.image.documents[self.image.root][1])

    def test_the_store_can_be_moved(self):
        moved = self.scratch / "elsewhere"
        self.lade.root.rename(moved)
        self.lade.ok("--root", moved, "images", "unpack", self.ref, "--to", self.scratch / "flat")
        self.assertEqual((self.scratch / "flat/b").read_text(), "bbb")

    def test_images_ls(self):
        lines = self.lade.ok("images", "ls").out.splitlines()
        self.assertEqual(lines[0].split(), ["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"])
        cells = lines[1].split()
        self.assertEqual(cells[0], self.ref)
        self.assertEqual(cells[2], self.image.root)
        self.assertIn("linux/amd64", cells)
        self.assertEqual(self.lade.ok("i", "list", "-q").out, self.ref + "\n")
        (row,) = self.lade.json("images", "ls")
        documents = [self.image.descriptor()["size"], self.image.config["size"]]
        self.assertEqual(row["size"], sum(documents) + sum(layer["size"] for layer in self.image.layers))
        self.assertEqual(row["platforms"], ["linux/amd64"])

    def test_images_ls_has_a_row_for_an_image_that_lost_its_blobs(self):
        other = self.registry.add(Image([Layer().file("c", "ccc")]), "other")
        self.lade.ok("images", "pull", other)
        self.lade.ok("content", "rm", self.image.root)
        result = self.lade.ok("images", "ls")
        (row,) = [line.split() for line in result.out.splitlines() if line.startswith(self.ref)]
        self.assertEqual((row[2:]), [self.image.root, "-", "-", "-"])
        self.assertEqual(len(result.out.splitlines()), 3)
        self.assertEqual(result.err.count("warning: "), 1, result.err)
        self.assertIn(self.image.root, result.err)
        rows = {row["name"]: row for row in self.lade.json("images", "ls")}
        self.assertEqual((rows[self.ref]["size"], rows[self.ref]["id"], rows[self.ref]["platforms"]), (None, None, []))
        self.assertEqual(rows[other]["platforms"], ["linux/amd64"])

    def test_flags_may_stand_anywhere(self):
        first = self.lade.run("images", "ls", "-q", "--root", self.lade.root, "-n", "default", env={"LADE_ROOT": "/nonexistent"})
        self.assertEqual(first.out, self.ref + "\n", first.err)

    def test_images_inspect(self):
        text = self.lade.ok("images", "inspect", self.ref).out
        self.assertTrue(text.startswith(self.ref + "\n"))
        for blob in (self.image.root, self.image.config["digest"], *(layer["digest"] for layer in self.image.layers)):
            self.assertIn(blob, text)
        document = self.lade.json("images", "inspect", self.ref)
        self.assertEqual([c["digest"] for c in document["tree"]["children"]], [self.image.config["digest"], *(layer["digest"] for layer in self.image.layers)])
        for name in ("none", "NONE", "a b", "x@sha256:1"):
            self.fails(self.lade.run("images", "inspect", name), 3, name, "not found")

    def test_images_inspect_content(self):
        lines = self.lade.ok("images", "inspect", "--content", self.ref).out.splitlines()
        for line in ("    ┌────────Labels─────────", "    ┌────────Content────────", "    └───────────────────────", '    │   "schemaVersion": 2,'):
            self.assertIn(line, lines)
        boxed = [line.removeprefix("    │   ") for line in lines[lines.index("    ┌────────Content────────") :]]
        self.assertTrue(any("diff_ids" in line for line in boxed), lines)
        tree = self.lade.json("images", "inspect", "--content", self.ref)["tree"]
        self.assertEqual(tree["content"], json.loads(self.image.documents[self.image.root][1]))
        self.assertIn("rootfs", tree["children"][0]["content"])
        self.assertNotIn("content", tree["children"][1])

    def test_images_rm_takes_what_only_the_image_kept(self):
        self.assertEqual(self.lade.ok("images", "rm", self.ref).out, self.ref + "\n")
        self.assertEqual(self.lade.json("content", "ls"), [])
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assertEqual(os.listdir(self.lade.root / "content/blobs/sha256"), [])
        self.assertEqual(os.listdir(self.lade.root / "snapshots/overlayfs"), [])
        # What is no name of an image is none of the images that are here either.
        for name in (self.ref, "NOPE", "a b"):
            gone = self.lade.run("images", "rm", name)
            self.assertEqual((gone.code, gone.out), (0, ""))
            self.assertIn(f"{name} not found", gone.err)

    def test_images_rm_leaves_what_another_image_keeps(self):
        other = self.registry.add(Image([Layer().file("a", "aaa")]), "other")
        self.lade.ok("images", "pull", other)
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(len(self.lade.json("snapshots", "ls")), 1)
        self.lade.ok("images", "unpack", other, "--to", self.scratch / "flat")

    def test_no_gc_leaves_it_to_a_later_one(self):
        self.lade.ok("images", "rm", "--no-gc", self.ref)
        self.assertEqual(len(self.lade.json("content", "ls")), 4)
        collected = self.lade.json("gc")
        self.assertEqual(len(collected["removed"]["content"]), 4)
        self.assertEqual(len(collected["removed"]["snapshots"]), 2)
        self.assertGreater(collected["bytes"], 0)

    def test_a_lease_keeps_what_it_holds_until_it_goes(self):
        self.lade.ok("images", "rm", "--no-gc", self.ref)
        self.assertEqual(self.lade.json("gc", "--dry-run")["removed"]["images"], [])
        self.assertEqual(len(self.lade.json("content", "ls")), 4)

    def test_gc_removes_files_that_no_row_knows(self):
        stray = self.lade.root / "content/blobs/sha256" / ("0" * 64)
        stray.write_bytes(b"x" * 10)
        (self.lade.root / "snapshots/overlayfs/999/fs").mkdir(parents=True)
        (self.lade.root / "content/ingest/feed").mkdir()
        dry = self.lade.json("gc", "--dry-run")
        self.assertTrue(stray.exists())
        self.lade.ok("gc")
        self.assertFalse(stray.exists())
        self.assertFalse((self.lade.root / "snapshots/overlayfs/999").exists())
        self.assertEqual(self.lade.ingests(), [])
        self.assertEqual([f["key"] for f in dry["removed"]["files"]][:1], ["sha256:" + "0" * 64])
        self.lade.ok("images", "unpack", self.ref, "--to", self.scratch / "flat")

    def test_content_get_rm(self):
        layer = self.image.layers[0]["digest"]
        out = subprocess.run(self.lade.command("content", "get", layer), env=self.lade.env, stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(out, self.image.blobs[layer])
        self.assertEqual(self.lade.ok("content", "rm", layer).out, layer + "\n")
        self.assertEqual(self.lade.ok("content", "rm", layer).out, "")
        self.fails(self.lade.run("content", "get", layer), 3, layer)
        self.assertEqual(self.lade.ok("content", "ls").out.splitlines()[0].split(), ["DIGEST", "SIZE", "AGE", "LABELS"])
        # Its snapshot is there, so nobody needs its bytes until the content itself is asked for.
        self.lade.ok("images", "pull", self.ref)
        self.assertEqual(len(self.lade.json("content", "ls")), 3)
        self.lade.ok("images", "pull", "--no-unpack", self.ref)
        self.assertEqual(len(self.lade.json("content", "ls")), 4)

    def test_snapshots(self):
        top = self.pulled["chain_ids"][0]
        rows = self.lade.json("snapshots", "ls")
        self.assertEqual({r["kind"] for r in rows}, {"committed"})
        parent = next(r["parent"] for r in rows if r["key"] == top)
        self.assertEqual(self.lade.ok("snapshots", "tree").out, f" {parent}\n  \\_ {top}\n")
        info = json.loads(self.lade.ok("snapshots", "info", top).out)
        self.assertEqual((info["Kind"], info["Name"], info["Parent"]), ("Committed", top, parent))
        usage = self.lade.json("snapshots", "usage", top)
        self.assertEqual((usage[0]["key"], usage[0]["inodes"]), (top, 2))
        self.fails(self.lade.run("snapshots", "mounts", "/mnt", top), 5, top)
        self.fails(self.lade.run("snapshots", "rm", parent), 5, "child")
        self.fails(self.lade.run("snapshots", "info", "none"), 3, "none")
        self.lade.ok("snapshots", "rm", top, parent)
        self.assertEqual(os.listdir(self.lade.root / "snapshots/overlayfs"), [])
        self.lade.ok("images", "pull", self.ref)
        self.assertEqual(len(self.lade.json("snapshots", "ls")), 2)

    def test_who_chooses_the_snapshotter(self):
        top = self.pulled["chain_ids"][0]

        def unpacked(*args, **env):
            self.lade.ok("images", "unpack", *args, self.ref, env=env)
            return self.lade.run("snapshots", "--snapshotter", "native", "info", top).code == 0

        self.assertFalse(unpacked(CONTAINERD_SNAPSHOTTER="overlayfs"))
        self.assertTrue(unpacked(CONTAINERD_SNAPSHOTTER="native"))
        self.lade.ok("snapshots", "--snapshotter", "native", "rm", top)
        self.assertEqual(self.lade.json("snapshots", "--snapshotter", "native", "ls"), [])
        self.lade.ok("namespaces", "label", "default", "containerd.io/defaults/snapshotter=native")
        self.assertFalse(unpacked("--snapshotter", "overlayfs"))
        self.assertTrue(unpacked())

    def test_sync(self):
        for word in ("none", "content", "full"):
            self.lade.ok("--sync", word, "images", "pull", self.ref)
        self.fails(self.lade.run("--sync", "sometimes", "images", "ls"), 2)

    def test_several_items_are_all_tried_and_the_worst_error_counts(self):
        top = self.pulled["chain_ids"][0]
        result = self.lade.run("--no-gc", "snapshots", "rm", "none", top)
        self.assertEqual(result.code, 3)
        self.assertEqual(len(self.lade.json("snapshots", "ls")), 1)


class Bookkeeping(Case):
    def test_leases(self):
        made = self.lade.ok("leases", "create", "--id", "mine", "-x", "1h", "a=1", "b").out
        self.assertEqual(made, "mine\n")
        (row,) = self.lade.json("leases", "ls")
        self.assertEqual((row["labels"]["a"], row["labels"]["b"]), ("1", "true"))
        self.assertIn("containerd.io/gc.expire", row["labels"])
        self.fails(self.lade.run("leases", "create", "--id", "mine"), 4, "mine")
        self.assertRegex(self.lade.ok("leases", "create", "-x", "0").out, r"^\d+-\w{4}\n$")
        self.assertEqual(self.lade.ok("leases", "rm", "mine").out, "mine\n")
        self.fails(self.lade.run("leases", "rm", "mine"), 3, "mine")

    def test_an_expired_lease_goes_with_the_next_collection(self):
        self.lade.ok("leases", "create", "--id", "short", "-x", "1ms")
        self.lade.ok("leases", "create", "--id", "long")
        self.lade.ok("gc")
        self.assertEqual([row["id"] for row in self.lade.json("leases", "ls")], ["long"])

    def test_namespaces(self):
        self.lade.ok("namespaces", "create", "one", "k=v")
        self.fails(self.lade.run("ns", "c", "one"), 4, "one")
        self.lade.ok("ns", "label", "one", "k=", "l=w")
        self.assertEqual(self.lade.json("ns", "ls"), [{"name": "one", "labels": {"l": "w"}}])
        self.lade.ok("-n", "one", "leases", "create", "--id", "x")
        self.fails(self.lade.run("ns", "rm", "one"), 5, "1 lease")
        self.lade.ok("-n", "one", "leases", "rm", "x")
        self.assertEqual(self.lade.ok("ns", "rm", "one", "never").out, "one\nnever\n")
        self.assertEqual(self.lade.json("ns", "ls"), [])

    def test_an_empty_store_lists_nothing(self):
        for group in ("images", "content", "snapshots", "leases", "namespaces"):
            self.assertEqual(self.lade.json(group, "ls"), [])
        self.assertEqual(self.lade.json("content", "active", "-t", "1s"), [])
        self.assertEqual(self.lade.json("snapshots", "tree"), [])
        self.assertEqual(self.lade.json("snapshots", "usage"), [])

    def test_reading_makes_no_store(self):
        typo = self.scratch / "typo/a/b"
        digest = "sha256:" + "0" * 64
        for group in ("images", "content", "snapshots", "leases", "namespaces"):
            self.assertEqual(self.lade.json(group, "ls", "--root", typo), [])
        for args in (["images", "inspect", "x"], ["images", "unpack", "x", "--to", typo], ["content", "get", digest],
                     ["snapshots", "info", "x"], ["snapshots", "mounts", "/mnt", "x"], ["snapshots", "usage", "x"]):
            with self.subTest(args):
                self.fails(self.lade.run("--root", typo, *args), 3, str(typo), "does not exist")
        self.fails(self.lade.run("--root", typo, "-n", "a..b", "images", "ls"), 2, "a..b")
        self.assertFalse((self.scratch / "typo").exists())
        self.lade.ok("--root", typo, "leases", "create")
        self.assertTrue((typo / "meta.db").exists())

    def test_version_and_help(self):
        version = re.search(r"version: '([0-9.]+)'", (REPOSITORY / "meson.build").read_text()).group(1)
        self.assertEqual(self.lade.ok("version").out, f"lade {version}\n")
        self.assertEqual(self.lade.ok("--version").out, f"lade {version}\n")
        self.assertEqual(self.lade.json("version"), {"version": version})
        self.assertIn("images", self.lade.ok().out)
        self.assertIn("pull", self.lade.ok("images").out)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.lade.command("version"), env=self.lade.env, stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 9, done.stderr)


class Rootless(RegistryCase):
    """Commands of an ordinary user, in the store that is theirs by default."""

    def setUp(self):
        super().setUp()
        need_root()
        os.chmod(self.scratch, 0o755)
        self.home = self.scratch / "home"
        self.home.mkdir()
        os.chown(self.home, 12345, 12345)

    def run_as_user(self, *args):
        user = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")
        return self.lade.run(*args, prefix=user, env={"HOME": str(self.home), "LADE_ROOT": ""})

    def test_an_ordinary_user_pulls_and_unpacks_to_a_directory(self):
        first = Layer().file("mine", "x", uid=12, gid=34).add("dev/null", tarfile.CHRTYPE, major=1, minor=3)
        first.dir("closed/", mode=0o500).file("closed/f", "x")
        second = Layer().file("closed/g", "y").whiteout("closed/f")
        ref = self.registry.add(Image([first, second]))
        pulled = self.run_as_user("images", "pull", "--progress", "none", ref)
        self.assertEqual(pulled.code, 0, pulled.err)
        self.assertTrue((self.home / ".local/share/lade/meta.db").exists())
        flat = self.home / "flat"
        unpacked = self.run_as_user("images", "unpack", "--progress", "none", ref, "--to", flat)
        self.assertEqual(unpacked.code, 0, unpacked.err)
        self.assertEqual(unpacked.err.count("warning"), 2, unpacked.err)
        self.assertIn("owners of 4 entries", unpacked.err)
        self.assertIn("1 devices", unpacked.err)
        got = tree.describe(flat)
        self.assertEqual(sorted(got), [b".", b"closed", b"closed/g", b"dev", b"mine"])
        self.assertEqual(got[b"mine"]["owner"], (12345, 12345))
        self.assertEqual(got[b"closed"]["mode"], "0o500")

    def test_directories_closed_to_their_owner_are_opened_to_be_removed(self):
        closed = Layer().dir("closed/", mode=0o555).dir("closed/below/", mode=0o000).file("closed/f", "x")
        gone = self.registry.add(Image([closed, Layer().whiteout("closed")]), "gone")
        bad = self.registry.add(Image([closed, Layer().link("broken", "nowhere")]), "bad")
        for ref in (gone, bad):
            self.assertEqual(self.run_as_user("images", "pull", "--progress", "none", "--no-unpack", ref).code, 0)
        result = self.run_as_user("images", "unpack", gone, "--to", self.home / "flat")
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(os.listdir(self.home / "flat"), [])
        result = self.run_as_user("images", "unpack", bad, "--to", self.home / "bad")
        self.assertNotEqual(result.code, 0)
        self.assertIn("broken", result.err)
        self.assertFalse((self.home / "bad").exists())


class ToADirectory(Case):
    def test_a_directory_that_is_not_empty_is_left_alone(self):
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        ref = registry.add(Image([Layer().file("f", "x")]))
        self.lade.ok("images", "pull", "--no-unpack", ref)
        target = self.scratch / "there"
        target.mkdir()
        (target / "precious").write_text("p")
        self.fails(self.lade.run("images", "unpack", "--progress", "none", ref, "--to", target), 5, str(target))
        self.assertEqual(os.listdir(target), ["precious"])


if __name__ == "__main__":
    unittest.main()
