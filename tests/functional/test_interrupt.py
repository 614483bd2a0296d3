"""Any process may be stopped or killed at any instant; the next command finds a store it can use."""

import fcntl
import os
import pty
import random
import select
import signal
import sqlite3
import subprocess
import termios
import time
import unittest

from support import tree
from support.broken import BrokenRegistry, RegistryCase
from support.images import Image, Layer
from support.program import Case, SANITIZED, TIMEOUT, need_root


class Interrupted(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        base = Layer()
        for i in range(200):
            base.dir(f"d{i}/").file(f"d{i}/f", os.urandom(3000))
        self.image = Image([base, Layer().file("big", os.urandom(1_500_000)), Layer().whiteout("d7").file("d8/f", "new")])
        self.ref = self.registry.add(self.image)

    def pull(self):
        return self.lade.start("images", "pull", "--progress", "none", self.ref)

    def tree(self, chain):
        with tree.stacked(self.lade.chain(chain)) as root:
            return tree.describe(root)

    def test_ctrl_c_stops_within_a_second_and_the_next_pull_goes_on(self):
        self.registry.pause, self.registry.piece = 0.05, 16 * 1024
        process = self.pull()
        big = self.image.layers[1]["digest"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(i["offset"] > 50_000 for i in self.lade.json("content", "active") if big in i["ref"]):
                break
            time.sleep(0.02)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - asked, 5 if SANITIZED else 1)
        self.assertEqual(process.returncode, -signal.SIGINT, err)
        self.assertEqual(self.lade.json("images", "ls"), [])
        self.assertTrue([i for i in self.lade.json("content", "active") if big in i["ref"]])
        self.registry.pause = 0
        self.registry.requests.clear()
        self.lade.ok("images", "pull", self.ref)
        ranges = [h.get("Range") for m, p, h in self.registry.requests if m == "GET" and big in p]
        self.assertEqual(len(ranges), 1)
        self.assertRegex(ranges[0], r"^bytes=[1-9][0-9]+-$")
        self.assertEqual(self.lade.ingests(), [])

    def test_kills_at_random_moments(self):
        want = self.tree(self.lade.json("images", "pull", self.ref)["chain_ids"][0])
        seed = int(os.environ.get("LADE_TEST_SEED", random.randrange(1 << 32)))
        print(f"        seed {seed}")
        chance = random.Random(seed)
        self.registry.pause, self.registry.piece = 0.001, 32 * 1024
        start = time.monotonic()
        self.lade.ok("images", "rm", self.ref)
        began = time.monotonic()
        self.lade.ok("images", "pull", self.ref)
        whole = time.monotonic() - began
        for round_ in range(8 if SANITIZED else 50):
            with self.subTest(round_=round_, seed=seed):
                self.lade.ok("images", "rm", self.ref)
                process = self.pull()
                time.sleep(chance.random() * whole * 1.1)
                process.kill()
                process.communicate()
                pulled = self.lade.json("images", "pull", self.ref)
                self.assertEqual(tree.differences(self.tree(pulled["chain_ids"][0]), want), [])
                self.assertEqual(self.lade.ingests(), [])
                self.assertEqual({s["kind"] for s in self.lade.json("snapshots", "ls")}, {"committed"})
                self.assertEqual(self.lade.json("leases", "ls"), [])
        self.assertLess(time.monotonic() - start, 600)

    def test_what_a_killed_pull_left_is_garbage_and_what_a_live_one_has_is_not(self):
        self.registry.pause, self.registry.piece = 0.02, 16 * 1024
        process = self.pull()
        while not self.lade.json("snapshots", "ls"):
            time.sleep(0.02)
        self.lade.ok("gc")
        self.assertTrue(self.lade.json("snapshots", "ls"), "a live pull was collected")
        process.kill()
        process.communicate()
        dry = self.lade.json("gc", "--dry-run")
        real = self.lade.json("gc")
        self.assertEqual(dry["removed"], real["removed"])
        self.assertEqual(dry["bytes"], real["bytes"])
        self.assertTrue(real["removed"]["snapshots"])
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assertEqual(os.listdir(self.lade.root / "snapshots/overlayfs"), [])
        self.assertEqual(os.listdir(self.lade.root / "trash"), [])

    def test_pulls_beside_collections(self):
        self.registry.pause = 0.001
        pulls = [self.lade.start("-n", f"n{i}", "images", "pull", "--progress", "none", self.ref) for i in range(3)]
        while any(p.poll() is None for p in pulls):
            self.lade.ok("gc")
        for i, process in enumerate(pulls):
            _, err = process.communicate()
            self.assertEqual(process.returncode, 0, err)
            self.lade.ok("-n", f"n{i}", "images", "unpack", self.ref, "--to", self.scratch / f"flat{i}")


class Waiting(Case):
    """Every wait ends with the first signal: for a person, for a reader, for another process."""

    def ends(self, process, number):
        asked = time.monotonic()
        if number is not None:
            process.send_signal(number)
        try:
            process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()
        self.assertLess(time.monotonic() - asked, 5 if SANITIZED else 1)
        self.assertEqual(process.returncode, -(number or signal.SIGINT))

    def at_the_prompt(self):
        """A pull that asks for a password at a terminal of its own, and the terminal's other side."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(
            self.lade.command("images", "pull", "--no-unpack", "--retries", "0", "-u", "joe", "localhost:1/app"),
            env={**self.lade.env, "TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal,
        )
        os.close(slave)
        self.assertIn(b"Password: ", self.read_until(master, b"Password: "))
        self.assertFalse(self.echoes(master))
        return process, master

    def read_until(self, master, word):
        data, deadline = b"", time.monotonic() + TIMEOUT
        while word not in data and time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                data += os.read(master, 4096)
        return data

    def echoes(self, master):
        return bool(termios.tcgetattr(master)[3] & termios.ECHO)

    def test_at_the_password_prompt(self):
        for number in (None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number or "^C"):
                process, master = self.at_the_prompt()
                if number is None:
                    os.write(master, b"sec\x03")
                self.ends(process, number)
                self.assertTrue(self.echoes(master), "the terminal stays without echo")

    def test_a_password_is_read_and_never_shown(self):
        process, master = self.at_the_prompt()
        os.write(master, b"secret\n")
        self.assertNotIn(b"secret", self.read_until(master, b"localhost:1"))
        self.assertEqual(process.wait(timeout=TIMEOUT), 6)
        self.assertTrue(self.echoes(master))

    def test_output_that_nobody_reads(self):
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        image = Image([Layer().file("big", os.urandom(1_500_000))])
        self.lade.ok("images", "pull", "--no-unpack", registry.add(image))
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.lade.start("content", "get", image.layers[0]["digest"])
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.stderr.close)
                # The pipe is full when this many bytes wait in it.
                size = fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4)
                while (now := fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4)) == b"\0" * 4 or now != size:
                    size = now
                    time.sleep(0.05)
                self.ends(process, number)

    def test_a_terminal_that_takes_nothing(self):
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        image = Image([Layer().file("big", os.urandom(1_500_000))])
        self.lade.ok("images", "pull", "--no-unpack", registry.add(image))
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        command = self.lade.command("content", "get", image.layers[0]["digest"])
        process = subprocess.Popen(command, env=self.lade.env, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL)
        os.close(slave)
        time.sleep(2 if SANITIZED else 0.5)
        self.assertIsNone(process.poll())
        self.ends(process, signal.SIGTERM)

    def test_a_database_that_another_process_holds(self):
        self.lade.ok("namespaces", "create", "first")
        other = sqlite3.connect(self.lade.root / "meta.db", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.lade.start("namespaces", "create", "second")
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.stderr.close)
                time.sleep(2 if SANITIZED else 0.5)
                self.assertIsNone(process.poll())
                self.ends(process, number)
        process = self.lade.start("namespaces", "create", "second")
        time.sleep(0.2)
        other.execute("ROLLBACK")
        self.assertEqual(process.communicate(timeout=TIMEOUT), ("", ""))
        self.assertEqual([row["name"] for row in self.lade.json("ns", "ls")], ["first", "second"])


if __name__ == "__main__":
    unittest.main()
