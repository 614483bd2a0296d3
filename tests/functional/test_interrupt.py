"""Any process may be stopped or killed at any instant; the next command finds a store it can use."""

import os
import random
import signal
import time
import unittest

from support import tree
from support.broken import BrokenRegistry
from support.images import Image, Layer
from support.program import Case, SANITIZED, need_root


class Interrupted(Case):
    def setUp(self):
        super().setUp()
        need_root()
        self.registry = BrokenRegistry()
        self.addCleanup(self.registry.stop)
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


if __name__ == "__main__":
    unittest.main()
