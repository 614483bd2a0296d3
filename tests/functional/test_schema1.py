"""Images in docker's old forms: schema 1 manifests, signed by the stock registry or written by hand, and the config
of docker's first registries. They become the images they would be today."""

import gzip
import json
import unittest
import urllib.request

from support import tree
from support.broken import BrokenRegistry, RegistryCase
from support.images import DOCKER, Image, Layer, digest
from support.program import Case, need_tools
from support.registry import StockRegistry

SIGNED = DOCKER + "distribution.manifest.v1+prettyjws"
UNSIGNED = DOCKER + "distribution.manifest.v1+json"
CONVERTED = "io.containerd.image/converted-docker-schema1"


def with_history(config, _):
    config["created"] = "2020-01-01T00:00:00Z"
    config["config"] = {"Cmd": ["/bin/sh"], "Env": ["A=b"]}
    config["history"] = [
        {"created": "2020-01-01T00:00:00Z", "created_by": "ADD a"},
        {"created": "2020-01-01T00:00:00Z", "created_by": "ENV A=b", "empty_layer": True},
        {"created": "2020-01-01T00:00:00Z", "created_by": "COPY b"},
    ]


def sample(kind="docker"):
    lower = Layer().dir("d/").file("d/a", "a").file("gone", "x")
    return Image([lower, Layer().file("d/b", "b").whiteout("gone")], kind=kind, change=with_history)


class Pulls(Case):
    def pull(self, ref, *more):
        return self.lade.json("images", "pull", *more, ref)

    def config(self, pulled):
        manifest = json.loads(self.lade.ok("content", "get", pulled["target"]["digest"]).out)
        return manifest, json.loads(self.lade.ok("content", "get", manifest["config"]["digest"]).out)

    def labels(self, name):
        (image,) = [one for one in self.lade.json("images", "ls") if one["name"] == name]
        return image["labels"]

    def unpacked(self, ref, place):
        self.lade.ok("images", "unpack", "--to", self.scratch / place, ref)
        return tree.describe(self.scratch / place)


class SignedByTheStockRegistry(Pulls):
    """The registry converts a manifest of today for a client that names only schema 1, and signs it. Pushed back, that
    is all it has."""

    @classmethod
    def setUpClass(cls):
        need_tools("skopeo")
        cls.registry = StockRegistry("compatibility: {schema1: {enabled: true}}\n").start()

    @classmethod
    def tearDownClass(cls):
        cls.registry.stop()

    def setUp(self):
        super().setUp()
        self.image = sample("oci")
        self.today = self.registry.push(self.image.write_layout(self.scratch / "layout"), "t", "app:today", "--format", "v2s2")
        self.ref = self.registry.push(self.scratch / "layout", "t", "app:old", "--format", "v2s2")
        url = f"http://{self.registry.host}/v2/app/manifests/old"
        request = urllib.request.Request(url, headers={"Accept": SIGNED})
        with urllib.request.urlopen(request) as reply:
            self.assertEqual(reply.headers["Content-Type"], SIGNED)
            self.digest = reply.headers["Docker-Content-Digest"]
            signed = reply.read()
        self.assertIn("signatures", json.loads(signed))
        urllib.request.urlopen(urllib.request.Request(url, data=signed, method="PUT", headers={"Content-Type": SIGNED})).close()

    def test_the_image_is_the_one_of_today(self):
        pulled = self.pull(self.ref)
        self.assertEqual(pulled["chain_ids"], self.pull(self.today)["chain_ids"])
        self.assertEqual(self.unpacked(self.ref, "old"), self.unpacked(self.today, "today"))

        manifest, config = self.config(pulled)
        original = json.loads(self.image.blobs[self.image.config["digest"]])
        self.assertEqual(config["rootfs"], original["rootfs"])
        self.assertEqual([layer["digest"] for layer in manifest["layers"]], [layer["digest"] for layer in self.image.layers])
        self.assertEqual(config["config"]["Env"], ["A=b"])
        self.assertEqual([entry.get("empty_layer", False) for entry in config["history"]], [False, True, False])
        self.assertEqual(self.labels(self.ref)[CONVERTED], self.digest)
        self.assertNotEqual(pulled["target"]["digest"], self.digest)

    def test_by_its_digest(self):
        ref = f"{self.registry.host}/app@{self.digest}"
        self.assertEqual(self.pull(ref)["target"], self.pull(self.ref)["target"])

    def test_content_fetch_and_what_collection_keeps(self):
        self.lade.ok("content", "fetch", self.ref)
        self.lade.ok("gc")
        (image,) = self.lade.json("images", "ls")
        manifest, _ = self.config(image)
        blobs = {image["target"]["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
        self.assertEqual({blob["digest"] for blob in self.lade.json("content", "ls")}, blobs)
        self.lade.ok("images", "unpack", self.ref)

    def test_the_object_is_what_the_registry_has(self):
        text = self.lade.ok("content", "fetch-object", self.ref).out
        self.assertEqual(json.loads(text)["schemaVersion"], 1)


def step(layer, **v1):
    blob = gzip.compress(layer if isinstance(layer, bytes) else layer.bytes(), mtime=0)
    return blob, v1


class WrittenByHand(Pulls, RegistryCase):
    def serve(self, steps, tag="latest", media_type=UNSIGNED, change=lambda manifest: None):
        """`steps` are newest first, as the registry has them."""
        manifest = {
            "schemaVersion": 1,
            "name": "image",
            "tag": tag,
            "fsLayers": [{"blobSum": digest(blob)} for blob, _ in steps],
            "history": [{"v1Compatibility": json.dumps(v1)} for _, v1 in steps],
        }
        change(manifest)
        text = json.dumps(manifest, indent=3).encode()
        self.registry.blobs.update({digest(blob): blob for blob, _ in steps})
        for name in (tag, digest(text)):
            self.registry.manifests[name] = (media_type, text)
        return f"{self.registry.host}/image:{tag}"

    def fetched_layers(self):
        return sorted({path.rsplit("/", 1)[1] for method, path, _ in self.registry.requests if method == "GET" and "/blobs/" in path})

    def test_empty_layers_are_left_out(self):
        lower = step(Layer().file("a", "a"), throwaway=False)
        zeros = step(bytes(10240), Size=10240)  # only its bytes tell
        thrown = step(b"no tar at all", throwaway=True)
        old = step(Layer().file("never", "read"), Size=0)
        upper = step(Layer().file("b", "b"), os="linux", architecture="amd64")
        ref = self.serve([upper, thrown, zeros, old, lower])
        manifest, config = self.config(self.pull(ref))
        self.assertEqual([one["digest"] for one in manifest["layers"]], [digest(lower[0]), digest(upper[0])])
        self.assertEqual([entry.get("empty_layer", False) for entry in config["history"]], [False, True, True, True, False])
        self.assertEqual(len(config["rootfs"]["diff_ids"]), 2)
        self.assertEqual(self.fetched_layers(), sorted(digest(blob) for blob, _ in (lower, zeros, upper)))
        self.assertEqual(set(self.unpacked(ref, "to")), {b".", b"a", b"b"})

    def test_a_mirror_with_another_manifest_leads_on(self):
        ref = self.serve([step(Layer().file("a", "a"), os="linux")])
        text = self.registry.manifests["latest"][1]
        mirror = BrokenRegistry()
        self.addCleanup(mirror.stop)
        mirror.blobs, mirror.manifests = self.registry.blobs, self.registry.manifests
        folder = self.scratch / "certs.d" / self.registry.host
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(f'[host."http://{mirror.host}"]\n')
        wrong = [text.replace(b"linux", b"Linux"), text.replace(b"{", b"[", 1), text.replace(b' "fsLayers": [', b'"signatures":[')]

        def served(body):
            return lambda handler, path: "/manifests/sha256" in path and handler.answer(200, body, {"Content-Type": UNSIGNED})

        for body in wrong:
            with self.subTest(body=body):
                self.assertEqual(len(body), len(text))
                mirror.fault = served(body)
                self.registry.requests.clear()
                result = self.lade.run("images", "pull", "--no-unpack", "--hosts-dir", self.scratch / "certs.d", ref)
                self.assertEqual(result.code, 0, result.err)
                self.assertIn(f"{mirror.host} sent something else", result.err)
                self.assertEqual(self.registry.count("GET", "/manifests/"), 1)
                result = self.lade.run("content", "fetch-object", "--hosts-dir", self.scratch / "certs.d", ref)
                self.assertEqual((result.code, result.out.encode()), (0, text), result.err)
                self.assertIn(f"{mirror.host} sent something else", result.err)
        self.registry.fault = served(wrong[0])
        self.fails(self.lade.run("images", "pull", "--no-unpack", "--hosts-dir", self.scratch / "certs.d", ref), 8, digest(text), self.registry.host)

    def test_a_second_pull_fetches_no_layer(self):
        ref = self.serve([step(Layer().file("b", "b")), step(Layer().file("a", "a"))])
        first = self.pull(ref)
        self.registry.requests.clear()
        self.assertEqual(self.pull(ref), first)
        self.assertEqual(self.fetched_layers(), [])

    def test_one_layer_twice(self):
        twice = step(Layer().file("a", "a"))
        pulled = self.pull(self.serve([twice, twice]))
        manifest, _ = self.config(pulled)
        self.assertEqual(len(manifest["layers"]), 2)
        self.assertEqual(self.registry.count("GET", digest(twice[0])), 1)

    def test_the_oldest_registries_call_it_text(self):
        self.pull(self.serve([step(Layer().file("a", "a"))], media_type="text/plain; charset=utf-8"))

    def test_a_registry_that_does_not_name_the_digest(self):
        ref = self.serve([step(Layer().file("a", "a"))])
        media_type, text = self.registry.manifests["latest"]
        self.registry.fault = lambda handler, path: path.endswith("/manifests/latest") and handler.answer(200, text, {"Content-Type": media_type})
        self.pull(ref)

    def test_what_is_refused(self):
        good = [step(Layer().file("b", "b")), step(Layer().file("a", "a"))]
        cases = {
            "lengths": (lambda m: m["history"].pop(), 2, "2 layers for 1"),
            "nothing": (lambda m: (m["history"].clear(), m["fsLayers"].clear()), 2, "fsLayers"),
            "ambiguous": (lambda m: m.update(layers=[]), 2, "ambiguous"),
            "digest": (lambda m: m["fsLayers"][0].update(blobSum="sha256:../../x"), 2, "sha256:../../x"),
            "missing": (lambda m: m["fsLayers"][0].update(blobSum="sha256:" + "0" * 64), 3, "0" * 64),
            "signature": (lambda m: m.update(signatures=[{"protected": "e30"}]), 2, "formatLength"),
        }
        for name, (change, code, word) in cases.items():
            with self.subTest(name):
                ref = self.serve(good, tag=name, change=change)
                self.fails(self.lade.run("images", "pull", "--progress", "none", ref), code, word)
        self.assertEqual(self.lade.json("images", "ls"), [])
        self.lade.ok("gc")
        self.assertEqual(self.lade.json("content", "ls"), [])

    def test_other_bytes_than_the_digest_says(self):
        ref = self.serve([step(Layer().file("a", "a"))])
        _, text = self.registry.manifests["latest"]
        other = text.replace(b'"image"', b'"imagf"')
        self.registry.fault = lambda handler, path: handler.command == "GET" and "/manifests/" in path and handler.answer(200, other, {"Content-Type": UNSIGNED})
        self.fails(self.lade.run("images", "pull", "--progress", "none", ref), 8, "has digest")


class LegacyConfig(Pulls, RegistryCase):
    """Docker's first registries called an image's config application/octet-stream."""

    def serve(self, image):
        image.manifest["config"]["mediaType"] = "application/octet-stream"
        image.root = image.document(image.manifest, image.manifest["mediaType"])
        return self.registry.add(image)

    def test_it_is_an_image(self):
        image = sample()
        ref = self.serve(image)
        pulled = self.pull(ref)
        self.assertEqual(len(pulled["chain_ids"]), 1)
        manifest, config = self.config(pulled)
        self.assertEqual(manifest["config"], {**image.config, "mediaType": DOCKER + "container.image.v1+json"})
        self.assertNotEqual(pulled["target"]["digest"], image.root)
        self.assertEqual(manifest["layers"], image.layers)
        self.assertEqual(config["config"]["Env"], ["A=b"])
        self.lade.ok("gc")
        self.assertNotIn(image.root, [blob["digest"] for blob in self.lade.json("content", "ls")])
        self.assertIn(b"d", self.unpacked(ref, "to"))

    def test_it_may_be_had_by_its_own_digest(self):
        image = sample()
        by_digest = self.serve(image).rsplit(":", 1)[0] + "@" + image.root
        pulled = self.pull(by_digest)
        self.assertNotEqual(pulled["target"]["digest"], image.root)
        self.lade.ok("images", "pull", "--offline", by_digest, "--label", "a=b")
        # What it was made of is not what another image has been made of.
        other = Image([Layer().file("other", "x")])
        ref = self.registry.add(other, "other")
        self.pull(ref)
        self.fails(self.lade.run("images", "tag", "--force", ref, by_digest), 2, by_digest)
        self.lade.ok("images", "tag", by_digest, "copy:1", "copy@" + image.root)
        self.fails(self.lade.run("images", "convert", "--oci", by_digest, "new@" + image.root), 2, "new@" + image.root)

    def test_an_artifact_stays_what_it_is(self):
        image = sample()
        for layer in image.manifest["layers"]:
            layer["mediaType"] = "application/vnd.example.data"
        ref = self.serve(image)
        pulled = self.pull(ref, "--no-unpack")
        self.assertEqual(pulled["target"]["digest"], image.root)


if __name__ == "__main__":
    unittest.main()
