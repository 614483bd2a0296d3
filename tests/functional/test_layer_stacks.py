"""Random layers, unpacked in every way there is: the same tree each time, and the one that umoci makes."""

import os
import random
import stat
import subprocess
import time
import unittest

from support import tree
from support.broken import RegistryCase
from support.images import Image
from support.program import SANITIZED, need_root, need_tools
from support.stacks import Stack

COUNT = int(os.environ.get("LADE_TEST_STACKS") or (30 if SANITIZED else 200))


class LayerStacks(RegistryCase):
    def viewed(self, top):
        """Through the very mount that is printed for a view."""
        point = self.scratch / "point"
        point.mkdir(exist_ok=True)
        self.lade.ok("snapshots", "view", f"see {top}", top)
        for line in self.lade.ok("snapshots", "mounts", point, f"see {top}").out.splitlines():
            subprocess.run(line.split(), check=True)
        try:
            return tree.describe(point)
        finally:
            subprocess.run(["umount", point], check=True)

    def unpack_everywhere(self, image, number):
        """Way of unpacking -> what came of it."""
        ref = self.registry.add(image, f"stack-{number}")
        top = self.lade.json("images", "pull", "--progress", "none", ref)["chain_ids"][0]
        trees = {"overlayfs": self.viewed(top)}
        self.lade.ok("images", "unpack", "--progress", "none", "--snapshotter", "native", ref)
        trees["native"] = tree.describe(self.lade.chain(top, "native")[0])
        flat = self.scratch / f"flat-{number}"
        self.lade.ok("images", "unpack", "--progress", "none", ref, "--to", flat)
        trees["--to"] = tree.describe(flat)
        return trees

    def umoci(self, image, number):
        layout = image.write_layout(self.scratch / f"layout-{number}")
        into = self.scratch / f"umoci-{number}"
        subprocess.run(["umoci", "raw", "unpack", "--image", f"{layout}:t", into], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return tree.describe(into)

    def test_random_stacks_are_the_same_tree_everywhere(self):
        need_root()
        need_tools("umoci")
        seed = os.environ.get("LADE_TEST_SEED") or str(random.randrange(10**9))
        print(f"        LADE_TEST_SEED={seed}, {COUNT} stacks")
        for number in range(COUNT):
            stack = Stack(random.Random(f"{seed}-{number}"))
            image = Image(stack.layers, compression="plain")
            try:
                self.compare(stack, image, number)
            except (AssertionError, subprocess.CalledProcessError) as error:
                self.fail(f"{error}\n{getattr(error, 'stderr', b'')}\nLADE_TEST_SEED={seed}, stack {number}:\n" + "\n".join(stack.story))

    def compare(self, stack, image, number):
        want = stack.tree.describe()
        began = time.time_ns()
        for way, found in self.unpack_everywhere(image, number).items():
            self.assertEqual(tree.differences(found, want), [], f"{way}, and what it should be")
        found = self.umoci(image, number)
        for path in stack.loose() & found.keys():
            found[path] = {**want[path], "type": found[path]["type"]}
        # Where a directory without an entry of its own is made: umoci leaves it, and the one around it, the time of unpacking.
        for path, facts in found.items():
            if stat.S_ISDIR(facts["type"]) and facts["mtime"] >= began:
                facts["mtime"] = want.get(path, facts)["mtime"]
        self.assertEqual(tree.differences(found, want), [], "umoci, and what it should be")


if __name__ == "__main__":
    unittest.main()
