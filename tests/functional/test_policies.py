"""`images pull --if-missing`, `--if-newer` and `--offline`: who is asked what, and what counts as there."""

import unittest

from support.broken import RegistryCase
from support.images import Image, Layer, index_of


def image(text="text", **how):
    return Image([Layer().file("f", text), Layer().file("g", text)], **how)


class Policies(RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = image()
        self.ref = self.registry.add(self.image)

    def pull(self, *flags, unpack=False):
        """Its result, and what the registry was asked."""
        self.registry.requests.clear()
        target = ("--snapshotter", "native") if unpack else ("--no-unpack",)
        result = self.lade.run("images", "pull", *target, *flags, self.ref)
        return result, [method for method, _, _ in self.registry.requests]

    def pull_ok(self, *flags, **how):
        result, asked = self.pull(*flags, **how)
        self.assertEqual(result.code, 0, result.err)
        return asked

    def forget(self, digest):
        """What a collection leaves after somebody removed the blob."""
        self.lade.ok("content", "rm", digest)

    def test_if_missing_fetches_what_is_missing_and_then_asks_nobody(self):
        self.assertGreater(len(self.pull_ok("--if-missing")), 0)
        result, asked = self.pull("--if-missing")
        self.assertEqual((result.code, asked), (0, []))
        self.assertIn("in the store: " + self.ref, result.err)
        self.assertEqual(self.lade.json("images", "pull", "--no-unpack", "--if-missing", self.ref)["stored"], True)

    def test_if_missing_unpacks_what_is_in_the_store_without_asking(self):
        self.pull_ok()
        self.assertEqual(self.pull_ok("--if-missing", unpack=True), [])
        self.assertEqual(len(self.lade.json("snapshots", "--snapshotter", "native", "ls")), 2)

    def test_an_image_of_which_something_was_collected_is_not_there(self):
        for part in (self.image.layers[1]["digest"], self.image.config["digest"], self.image.root):
            with self.subTest(part):
                self.pull_ok()
                self.forget(part)
                result, asked = self.pull("--offline")
                self.fails(result, 3, self.ref, part, "not in the store")
                self.assertEqual(asked, [])
                self.assertGreater(len(self.pull_ok("--if-missing")), 0)
                self.assertEqual(self.pull_ok("--offline"), [])

    def test_a_file_that_is_lost_is_not_there(self):
        self.pull_ok()
        name = self.image.layers[0]["digest"].removeprefix("sha256:")
        (self.lade.root / "content/blobs/sha256" / name).unlink()
        self.fails(self.pull("--offline")[0], 3, name)
        self.assertIn("GET", self.pull_ok("--if-newer"))
        self.assertEqual(self.pull_ok("--if-missing"), [])

    def test_layers_that_are_unpacked_need_no_bytes(self):
        self.pull_ok(unpack=True)
        for layer in self.image.layers:
            self.forget(layer["digest"])
        for flag in ("--if-missing", "--offline"):
            self.assertEqual(self.pull_ok(flag, unpack=True), [])
            self.assertEqual(self.pull(flag)[0].code, 0 if flag == "--if-missing" else 3)
            for layer in self.image.layers:
                self.lade.run("content", "rm", layer["digest"])

    def test_a_damaged_layer_is_fetched_anew_and_offline_says_so(self):
        self.pull_ok()
        name = self.image.layers[0]["digest"].removeprefix("sha256:")
        path = self.lade.root / "content/blobs/sha256" / name
        good = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(good[:-8] + b"spoiled!")
        self.assertNotEqual(self.pull("--offline", unpack=True)[0].code, 0)
        self.assertIn("GET", self.pull_ok("--if-missing", unpack=True))
        self.assertEqual(path.read_bytes(), good)

    def test_if_newer_asks_for_the_digest_alone(self):
        self.pull_ok()
        result, asked = self.pull("--if-newer")
        self.assertEqual((result.code, asked), (0, ["HEAD"]))
        self.assertIn("up to date: " + self.ref, result.err)

    def test_if_newer_fetches_what_is_newer(self):
        self.pull_ok()
        newer = image("newer")
        self.registry.add(newer)
        self.assertEqual(self.pull_ok("--if-missing"), [])
        self.assertEqual(self.pull_ok("--offline"), [])
        self.assertIn("GET", self.pull_ok("--if-newer"))
        (row,) = self.lade.json("images", "ls")
        self.assertEqual(row["target"]["digest"], newer.root)

    def test_if_newer_of_a_digest_asks_nobody(self):
        self.ref = f"{self.registry.host}/image@{self.image.root}"
        self.pull_ok("--if-newer")
        self.assertEqual(self.pull_ok("--if-newer"), [])

    def test_if_newer_without_a_registry_fails(self):
        self.pull_ok()
        self.registry.fault = lambda handler, path: handler.error(503)
        self.fails(self.pull("--if-newer", "--retries", "0")[0], 6, self.registry.host)
        self.assertEqual(self.pull("--if-missing")[0].code, 0)

    def test_offline_asks_nobody(self):
        result, asked = self.pull("--offline")
        self.fails(result, 3, self.ref, "not in the store")
        self.assertEqual(asked, [])
        self.assertEqual(self.lade.json("namespaces", "ls"), [])
        self.pull_ok()
        self.assertEqual(self.pull_ok("--offline", unpack=True), [])

    def test_platforms_count(self):
        arm = image("arm", architecture="arm64")
        self.ref = self.registry.add(index_of([self.image, arm]))
        amd64, arm64, both = ("--platform", "linux/amd64"), ("--platform", "linux/arm64"), ("--all-platforms",)
        self.pull_ok(*amd64)
        self.assertEqual(self.pull_ok("--if-missing", *amd64), [])
        self.fails(self.pull("--offline", *arm64)[0], 3, arm.root)
        result, asked = self.registry.requests.clear(), self.lade.run("images", "pull", "--if-newer", *both, self.ref)
        self.assertEqual(asked.code, 0, asked.err)
        self.assertGreater(self.registry.count("GET", "/blobs/"), 0)
        self.assertEqual(self.pull_ok("--offline", *arm64), [])

    def test_labels_are_set_on_what_is_there(self):
        self.pull_ok("--label", "mine=1")
        self.pull_ok("--if-missing", "--label", "other=2")
        (row,) = self.lade.json("images", "ls")
        self.assertEqual(row["labels"], {"mine": "1", "other": "2"})

    def test_one_policy_at_a_time(self):
        for pair in (("--if-missing", "--if-newer"), ("--if-newer", "--offline"), ("--if-missing", "--offline")):
            self.fails(self.pull(*pair)[0], 2, "excludes")


if __name__ == "__main__":
    unittest.main()
