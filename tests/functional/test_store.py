"""A store that was damaged, that a hostile image fills, and that many commands share."""

import os
import sqlite3
import tarfile
import threading
import time
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer, bomb, bomb_image, index_of
from support.program import need_root


class Store(RegistryCase):
    def setUp(self):
        super().setUp()
        self.base = Layer().file("base", os.urandom(100_000)).bytes()
        self.image = Image([self.base, Layer().file("top", "text")])
        self.ref = self.registry.add(self.image)

    def add(self, image, tag):
        self.registry.add(image, tag)
        return f"{self.registry.host}/image:{tag}"

    def pull(self, *more, ref=None, **also):
        return self.lade.run("images", "pull", "--progress", "none", *more, ref or self.ref, **also)

    def blob(self, digest):
        return self.lade.root / "content/blobs/sha256" / digest.split(":")[1]

    def spoil(self, digest, change):
        file = self.blob(digest)
        data = bytearray(file.read_bytes())
        file.unlink()
        if (data := change(data)) is not None:
            file.write_bytes(bytes(data))


class Damage(Store):
    def assert_mended(self, digest, *flags):
        result = self.pull(*flags)
        self.assertEqual(result.code, 0, result.err)
        self.lade.ok("content", "get", digest)
        self.assertEqual(self.blob(digest).read_bytes(), {**self.image.blobs, **{d: t for d, (_, t) in self.image.documents.items()}}[digest])
        self.assertEqual(self.lade.ingests(), [])

    @staticmethod
    def flipped(data):
        data[len(data) // 2] ^= 1
        return data

    def test_documents_are_fetched_anew(self):
        self.assertEqual(self.pull("--no-unpack").code, 0)
        for digest in (self.image.root, self.image.config["digest"]):
            for change in (lambda data: None, lambda data: data[:20], self.flipped):
                with self.subTest(digest):
                    self.spoil(digest, change)
                    self.assert_mended(digest, "--no-unpack")

    def test_layers_that_are_missing_or_cut_are_fetched_anew(self):
        self.assertEqual(self.pull("--no-unpack").code, 0)
        digest = self.image.layers[0]["digest"]
        for change in (lambda data: None, lambda data: data[:1000]):
            self.spoil(digest, change)
            self.assert_mended(digest, "--no-unpack")

    def test_a_layer_found_damaged_while_unpacking_is_fetched_anew(self):
        need_root()
        self.assertEqual(self.pull("--no-unpack").code, 0)
        digest = self.image.layers[0]["digest"]
        self.spoil(digest, self.flipped)
        self.assert_mended(digest)
        self.lade.ok("images", "unpack", self.ref, "--to", self.scratch / "flat")
        self.assertEqual([s["kind"] for s in self.lade.json("snapshots", "ls")], ["committed"] * 2)

    def test_damage_that_looks_like_a_bad_tar_is_damage_too(self):
        need_root()
        self.image = Image([self.base], compression="plain")
        self.ref = self.registry.add(self.image)
        self.assertEqual(self.pull("--no-unpack").code, 0)
        digest = self.image.layers[0]["digest"]

        def in_the_checksum(data):
            data[150] ^= 1
            return data

        self.spoil(digest, in_the_checksum)
        self.assert_mended(digest)

    def test_a_damaged_layer_is_named_where_there_is_nobody_to_ask(self):
        self.assertEqual(self.pull("--no-unpack").code, 0)
        digest = self.image.layers[0]["digest"]
        self.spoil(digest, self.flipped)
        self.fails(self.lade.run("images", "unpack", self.ref, "--to", self.scratch / "flat"), 8, digest)
        self.assertFalse((self.scratch / "flat").exists())

    def test_strays_go_and_stop_nothing(self):
        self.assertEqual(self.pull("--no-unpack").code, 0)
        content = self.lade.root / "content"
        strays = [content / "ingest/junk", content / "blobs/sha256/junk", content / "blobs/md5"]
        for stray in strays:
            stray.write_text("x")
        self.assertEqual(self.lade.json("content", "active"), [])
        found = [f["key"] for f in self.lade.json("gc", "--dry-run")["removed"]["files"]]
        self.assertEqual(sorted(found), ["blobs/md5", "blobs/sha256/junk", "ingest/junk"])
        self.lade.ok("gc")
        self.assertEqual([s for s in strays if s.exists()], [])

    def test_what_stays_in_the_trash_stops_nothing(self):
        need_root()
        self.assertEqual(self.pull("--no-unpack").code, 0)
        trash = self.lade.root / "trash"
        (trash / "mounted").mkdir()
        (trash / "zzz").mkdir()
        # A mount of its own name space: what is a mount point cannot be removed.
        script = f'mount -t tmpfs tmpfs {trash}/mounted && exec "$0" "$@"'
        result = self.lade.run("gc", prefix=("unshare", "--mount", "sh", "-c", script))
        self.assertEqual(result.code, 0, result.err)
        self.assertIn("trash/mounted", result.err)
        self.assertEqual(os.listdir(trash), ["mounted"])
        self.lade.ok("gc")
        self.assertEqual(os.listdir(trash), [])


class Sharing(Store):
    def slowly(self, image, tag, *flags, whole=None):
        """Starts a pull whose last layer takes its time, and waits until it has begun."""
        ref = self.add(whole or image, tag)
        slow = image.layers[-1]["digest"]
        begun = []

        def fault(handler, path):
            if slow in path and handler.command == "GET":
                begun.append(1)
                body = image.blobs[slow]
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body[:10])
                handler.wfile.flush()
                self.assertTrue(self.go.wait(60))
                handler.wfile.write(body[10:])
                return True
            return None

        self.go = threading.Event()
        self.registry.fault = fault
        process = self.lade.start("images", "pull", "--progress", "none", *flags, ref)
        while not begun:
            time.sleep(0.01)
        return process

    def finish(self, process):
        self.go.set()
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)

    def test_what_a_pull_builds_on_stays_until_it_is_done(self):
        need_root()
        self.assertEqual(self.pull().code, 0)
        other = Image([self.base, Layer().file("other", os.urandom(1000))])
        process = self.slowly(other, "other")
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(len(self.lade.json("snapshots", "ls")), 2)  # the base, and what is being made
        self.finish(process)
        self.assertEqual([s["kind"] for s in self.lade.json("snapshots", "ls")], ["committed"] * 2)
        self.assertEqual(self.lade.json("leases", "ls"), [])

    def test_a_command_at_work_outlives_the_expiry_of_its_lease(self):
        process = self.slowly(Image([Layer().file("other", os.urandom(1000))]), "other")
        with sqlite3.connect(self.lade.root / "meta.db") as database:
            changed = database.execute("UPDATE lease_labels SET value = '2020-01-01T00:00:00Z'").rowcount
        self.assertEqual(changed, 1)
        self.lade.ok("gc")
        self.assertEqual(len(self.lade.json("leases", "ls")), 1)
        self.finish(process)

    def test_a_snapshot_that_goes_during_a_pull_is_made_again(self):
        need_root()
        other = Image([Layer().file("other", "x")], architecture="arm64")
        (top,) = self.lade.json("images", "pull", "--platform", "linux/arm64", self.add(other, "one"))["chain_ids"]
        slow = Image([Layer().file("slow", os.urandom(1000))])
        process = self.slowly(slow, "both", "--platform", "linux/amd64", "--platform", "linux/arm64", whole=index_of([slow, other]))
        self.lade.ok("snapshots", "rm", top)
        self.finish(process)
        self.lade.ok("snapshots", "info", top)

    def test_layers_that_are_unpacked_are_not_fetched(self):
        need_root()
        self.assertEqual(self.pull().code, 0)
        # The same base in other bytes: what is compressed differently is another blob and the same snapshot.
        again = self.add(Image([self.base, Layer().file("again", "text")], compression="zstd"), "again")
        self.registry.requests.clear()
        self.assertEqual(self.pull(ref=again).code, 0)
        self.assertEqual(sum("/blobs/" in path for _, path, _ in self.registry.requests), 2)  # config and top
        self.assertEqual(len(self.lade.json("snapshots", "ls")), 3)


class Hostile(Store):
    def test_a_size_that_is_a_lie_ends_the_other_downloads_in_order(self):
        need_root()
        shared = Layer().file("shared", os.urandom(1000)).bytes()
        self.assertEqual(self.pull(ref=self.add(Image([shared]), "honest")).code, 0)

        def lie(config, descriptors):
            descriptors[-1] = {**descriptors[-1], "size": descriptors[-1]["size"] - 1}

        # The liar is the smallest: its turn comes when the others are on their way.
        slow = [Layer().file(str(i), os.urandom(200_000)).bytes() for i in range(8)]
        self.registry.pause, self.registry.piece = 0.01, 4096
        ref = self.add(Image([*slow, shared], change=lie), "liar")
        for downloads in ("1", "8"):
            result = self.pull("--max-concurrent-downloads", downloads, ref=ref)
            self.fails(result, 8, "the descriptor says")

    def test_a_hard_link_to_nothing_is_named(self):
        need_root()
        ref = self.add(Image([Layer().link("broken", "nowhere")]), "link")
        for snapshotter in ("overlayfs", "native"):
            result = self.pull("--snapshotter", snapshotter, ref=ref)
            self.assertNotEqual(result.code, 0)
            self.assertIn("broken", result.err)

    def test_a_flood_of_warnings_is_counted(self):
        need_root()
        layer = Layer()
        for i in range(3000):
            layer.add(f"device{i}", tarfile.CHRTYPE)
        result = self.pull(ref=self.add(Image([layer]), "flood"))
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(result.err.count("is left out"), 20, result.err[:3000])
        self.assertIn("2980 more", result.err)

    def test_limits_are_said_and_leave_nothing(self):
        layers = [Layer().file("d/e/f/one", b"x" * 600), Layer().file("d/two", b"x" * 600).file("d/three")]
        ref = self.add(Image(layers), "large")
        target = self.scratch / "flat"
        self.assertEqual(self.pull("--no-unpack", ref=ref).code, 0)
        for flag, value, said in (("--max-size", "1KiB", "1024 bytes"), ("--max-entries", "2", "2 entries"), ("--max-path", "8", "8 bytes"), ("--max-depth", "3", "3 directories")):
            with self.subTest(flag):
                self.fails(self.lade.run("images", "unpack", "--to", target, flag, value, ref), 9, said)
                self.assertFalse(target.exists())
        self.lade.ok("images", "unpack", "--to", target, "--max-size", "1200", "--max-entries", "3", "--max-path", "9", "--max-depth", "4", ref)

    def test_an_archive_bomb_is_refused(self):
        need_root()
        start = Layer().file("f", "x").bytes()
        ref = self.add(bomb_image(start, bomb(start, 1100 << 20)), "bomb")
        self.fails(self.pull(ref=ref), 9, "1100 times")
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        # It is the limit that refuses it, not something else: without, its diff ID is looked at.
        self.fails(self.pull("--max-ratio", "1000000", ref=ref), 8, "diff ID")

    def test_a_tree_deeper_than_descriptors_is_refused_and_leaves_nothing(self):
        need_root()
        # Links make the way into the depth short: each round starts where the last one ended.
        layer = Layer()
        for round_ in range(8):
            start = f"l{round_ - 1}/" if round_ else ""
            end = start + "d/" * 900
            layer.dir(end.rstrip("/"))
            layer.symlink(f"l{round_}", end.rstrip("/"))
        deep = self.add(Image([layer]), "deep")
        self.fails(self.pull(ref=deep, prefix=("prlimit", "--nofile=1024:1024")), 9)
        for command in (("gc",), ("images", "rm", deep)):
            result = self.lade.run(*command, prefix=("prlimit", "--nofile=1024:1024"))
            self.assertNotIn("trash/", result.err)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assertEqual(self.lade.json("leases", "ls"), [])
        self.assertEqual(os.listdir(self.lade.root / "trash"), [])
        self.assertEqual(self.pull().code, 0)


if __name__ == "__main__":
    unittest.main()
