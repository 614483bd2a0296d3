"""Many processes on one store: nobody fails because another is at work, and nothing is lost between them."""

import fcntl
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer
from support.invariants import violations
from support.program import Case, SANITIZED, TIMEOUT, need_root
from support.stress import Stress, images


class ManyCase(RegistryCase):
    def assert_sound(self):
        self.assertEqual(violations(self.lade.root), [])


class Storm(ManyCase):
    def test_pulls_collections_removals_and_tags_end_with_a_sound_store(self):
        need_root()
        seconds = int(os.environ.get("LADE_STRESS_SECONDS", 10))
        seed = int(os.environ.get("LADE_TEST_SEED", random.randrange(1 << 32)))
        refs = [self.registry.add(image, f"t{i}") for i, image in enumerate(images())]
        stress = Stress(self.lade, refs, seconds, seed).run()
        print(f"        seed {seed}; " + ", ".join(f"{count} {' '.join(words)}" for words, count in sorted(stress.counts.items())))
        self.assertEqual(stress.failures, [], f"seed {seed}")
        self.lade.ok("gc")
        self.assert_sound()
        self.assertEqual(self.lade.json("leases", "ls"), [])
        self.assertEqual(os.listdir(self.lade.root / "trash"), [])
        # And it is of use: what it says is there can be unpacked.
        for number, name in enumerate(self.lade.ok("images", "ls", "-q").out.split()):
            self.lade.ok("images", "unpack", "--progress", "none", name, "--to", self.scratch / f"flat{number}")


class OneImage(ManyCase):
    def test_sixteen_pulls_fetch_every_blob_once(self):
        need_root()
        self.registry.pause = 0.005
        image = Image([Layer().file(f"f{i}", os.urandom(200_000)) for i in range(6)])
        ref = self.registry.add(image)
        pulls = [self.lade.start("images", "pull", "--json", "--progress", "none", ref) for _ in range(4 if SANITIZED else 16)]
        told = set()
        for pull in pulls:
            out, err = pull.communicate(timeout=300)
            self.assertEqual(pull.returncode, 0, err)
            told.add(out)
        self.assertEqual(len(told), 1)
        fetched = [path.rsplit("/", 1)[1] for method, path, _ in self.registry.requests if method == "GET"]
        self.assertEqual(sorted(fetched), sorted([image.root, *image.blobs]))
        self.assert_sound()

    def hold_back(self, digest):
        """The registry sends half of this blob and the rest when it is told to."""
        reached, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def fault(handler, path):
            if handler.command != "GET" or not path.endswith(digest):
                return None
            body = self.registry.blobs[digest]
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            reached.set()
            go_on.wait(TIMEOUT)
            handler.wfile.write(body[len(body) // 2 :])
            return True

        self.registry.fault = fault
        return reached, go_on

    def test_collections_during_a_pull_take_nothing_that_it_needs(self):
        """Neither what it brought, nor what was there before it began and nothing else keeps."""
        need_root()
        shared, own = Layer().file("shared", os.urandom(50_000)).bytes(), Layer().file("own", os.urandom(50_000)).bytes()
        old, new = Image([shared]), Image([shared, own])
        for unpacked in (True, False):
            with self.subTest(unpacked=unpacked):
                flags = () if unpacked else ("--no-unpack",)
                first = self.registry.add(old, "old")
                self.registry.fault = None
                self.lade.ok("images", "pull", *flags, first)
                # The image goes, its blobs and snapshots stay: garbage from now on.
                self.lade.ok("--no-gc", "images", "rm", first)
                reached, go_on = self.hold_back(new.layers[1]["digest"])
                self.registry.requests.clear()
                pull = self.lade.start("images", "pull", "--progress", "none", *flags, self.registry.add(new, "new"))
                self.assertTrue(reached.wait(TIMEOUT))
                for _ in range(5):
                    self.lade.ok("gc")
                    self.assertIn(old.layers[0]["digest"], self.lade.ok("content", "ls", "-q").out)
                go_on.set()
                _, err = pull.communicate(timeout=TIMEOUT)
                self.assertEqual(pull.returncode, 0, err)
                self.assertEqual(self.registry.count("GET", new.layers[0]["digest"]), 0)
                self.assert_sound()
                self.lade.ok("images", "unpack", "--progress", "none", "--to", self.scratch / f"flat{unpacked}", self.lade.json("images", "ls")[0]["name"])
                self.lade.ok("images", "rm", self.lade.json("images", "ls")[0]["name"])
                self.assertEqual(self.lade.json("content", "ls"), [])

    def test_a_pull_that_may_not_wait_names_the_one_that_downloads(self):
        image = Image([Layer().file("f", os.urandom(50_000))])
        reached, go_on = self.hold_back(image.layers[0]["digest"])
        ref = self.registry.add(image)
        first = self.lade.start("images", "pull", "--no-unpack", "--progress", "none", ref)
        self.assertTrue(reached.wait(TIMEOUT))
        result = self.lade.run("--wait", "0", "images", "pull", "--no-unpack", "--progress", "none", ref)
        self.fails(result, 6, image.layers[0]["digest"], f"locked by process {first.pid} (lade images pull")
        second = self.lade.start("images", "pull", "--no-unpack", "--progress", "none", ref)
        # It says for whom it waits, and then it is done without fetching anything.
        self.assertIn(f"waiting for process {first.pid} (lade images pull", second.stderr.readline())
        go_on.set()
        for pull in (first, second):
            _, err = pull.communicate(timeout=TIMEOUT)
            self.assertEqual(pull.returncode, 0, err)
        self.assertEqual(self.registry.count("GET", image.layers[0]["digest"]), 1)


class Waiting(Case):
    def setUp(self):
        super().setUp()
        self.lade.ok("namespaces", "create", "first")

    def writer(self):
        """Another process in the middle of a write transaction."""
        other = sqlite3.connect(self.lade.root / "meta.db", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO namespaces (name) VALUES ('unfinished')")
        return other

    def us(self):
        return f"locked by process {os.getpid()} ("

    def test_readers_neither_fail_nor_wait_while_a_writer_is_at_work(self):
        self.writer()
        for listing in (("images", "ls"), ("content", "ls"), ("content", "active"), ("snapshots", "ls"), ("leases", "ls"), ("namespaces", "ls"), ("events",), ("plugins", "ls")):
            with self.subTest(listing):
                result = self.lade.ok("--wait", "0", *listing)
                self.assertNotIn("unfinished", result.out)

    def test_a_writer_waits_and_goes_on(self):
        other = self.writer()
        process = self.lade.start("namespaces", "create", "second")
        # It has opened the database, and there is nothing it could do but wait.
        while not self.has_database(process):
            time.sleep(0.01)
        self.assertIsNone(process.poll())
        other.execute("COMMIT")
        self.assertEqual(process.communicate(timeout=TIMEOUT), ("", ""))
        self.assertEqual(process.returncode, 0)
        self.assertEqual([row["name"] for row in self.lade.json("ns", "ls")], ["first", "second", "unfinished"])

    def has_database(self, process):
        folder = f"/proc/{process.pid}/fd"
        try:
            return any(os.readlink(f"{folder}/{fd}").endswith("meta.db-shm") for fd in os.listdir(folder))
        except FileNotFoundError:
            return False

    def test_at_the_end_of_its_patience_a_writer_names_the_holder(self):
        self.writer()
        for limit in ("0", "100ms"):
            with self.subTest(limit):
                result = self.lade.run("--wait", limit, "namespaces", "create", "second")
                self.fails(result, 6, "meta.db", self.us())
        self.fails(self.lade.run("--wait", "soon", "namespaces", "create", "second"), 2, "--wait", "soon")

    def test_a_collection_names_who_holds_the_publish_lock(self):
        self.lade.ok("gc")
        with open(self.lade.root / "locks/publish.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self.fails(self.lade.run("--wait", "0", "gc"), 6, "publish.lock", self.us())
            process = self.lade.start("gc")
            self.assertIn("waiting for process " + str(os.getpid()), process.stderr.readline())
        _, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, err)

    def test_a_password_on_a_command_line_is_not_repeated(self):
        program = "import sys, fcntl, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); sys.stdin.read()"
        self.lade.ok("gc")
        holder = subprocess.Popen(
            [sys.executable, "-c", program, self.lade.root / "locks/publish.lock", "--user", "joe:secret", "--password=secret", "shown"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        self.addCleanup(holder.wait)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.stdin.close)
        holder.stdout.readline()
        result = self.lade.run("--wait", "0", "gc")
        self.fails(result, 6, f"process {holder.pid} (", "shown)")
        self.assertNotIn("secret", result.err)


class Expired(ManyCase):
    """Nobody deletes what has expired; whoever changes the store next takes note."""

    def test_the_next_change_collects_an_expired_lease_image_and_ingest(self):
        image = Image([Layer().file("f", b"x")])
        ref = self.registry.add(image)
        self.lade.ok("images", "pull", "--no-unpack", "--label", "containerd.io/gc.expire=2001-01-01T00:00:00Z", ref)
        self.lade.ok("--no-gc", "leases", "create", "--id", "old", "containerd.io/gc.expire=2001-01-01T00:00:00Z", "--expires", "0")
        self.lade.ok("--no-gc", "namespaces", "create", "leaves-it")
        self.lade.ok("namespaces", "create", "takes-note")
        self.assertEqual(self.lade.json("leases", "ls"), [])
        self.assertEqual(self.lade.json("images", "ls"), [])
        self.assertEqual(self.lade.json("content", "ls"), [])

    def test_listings_collect_nothing(self):
        self.lade.ok("--no-gc", "leases", "create", "--id", "old", "containerd.io/gc.expire=2001-01-01T00:00:00Z", "--expires", "0")
        for _ in range(2):
            self.assertEqual([lease["id"] for lease in self.lade.json("leases", "ls")], ["old"])


if __name__ == "__main__":
    unittest.main()
