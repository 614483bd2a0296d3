"""Copies from registry to registry: verified on the way, nothing sent twice, nothing stored."""

import json
import os
import subprocess
import threading

from support.broken import BrokenRegistry, basic
from support.faults import SHORT
from support.images import DOCKER, OCI, Image, digest, index_of, Layer
from support.program import Lade, need_tools
from support.registry import StockRegistry
from support.writable import WritableRegistry
from test_push import MIB, Broken, noise


class Copying(Broken):
    def setUp(self):
        super().setUp()
        self.source = WritableRegistry()
        self.addCleanup(self.source.stop)

    def copy(self, *args, **more):
        return self.lade.run("images", "copy", "--progress", "none", *args, **more)

    def blob_gets(self, registry):
        return registry.count("GET", "/blobs/sha256")


class Copies(Copying):
    def test_a_copy_needs_no_store_and_makes_none(self):
        src = self.source.add(self.image)
        for flags in ((), ("--chunk-size", "256KiB")):
            self.registry.has.clear()
            self.registry.manifests.clear()
            result = self.copy(*flags, src, self.ref)
            self.assertEqual((result.code, result.out), (0, f"{self.ref}@{self.image.root}\n"), result.err)
            self.arrived()
        self.assertFalse(self.lade.root.exists())
        self.assertEqual(self.blob_gets(self.source), 6)

    def test_what_is_there_is_not_fetched(self):
        src = self.source.add(self.image)
        self.assertEqual(self.copy(src, self.ref).code, 0)
        self.source.requests.clear()
        self.registry.requests.clear()
        answer = self.lade.json("images", "copy", "--progress", "none", src, self.ref)
        self.assertEqual((answer["uploaded"], answer["mounted"], answer["existed"]), (0, 0, 4))
        self.assertEqual(self.blob_gets(self.source), 0)
        self.assertEqual({method for method, _, _ in self.registry.requests}, {"HEAD"})

    def test_an_index_goes_whole_or_by_platform(self):
        images = [Image([noise(1000)], architecture=name) for name in ("amd64", "arm64", "s390x")]
        whole = index_of(images)
        src = self.source.add(whole)
        self.assertEqual(self.copy("--platform", "linux/arm64", src, self.ref).out, f"{self.ref}@{images[1].root}\n")
        self.arrived(images[1])
        self.assertEqual(self.blob_gets(self.source), 3)  # its config is read for its platform, too
        reduced = self.copy("--platform", "linux/arm64", "--platform", "linux/s390x", src, self.ref)
        self.assertIn("reduced", reduced.err)
        self.assertEqual([one["digest"] for one in json.loads(self.registry.manifests["1"][1])["manifests"]], [one.root for one in images[1:]])
        self.assertEqual(self.copy(src, self.ref).out, f"{self.ref}@{whole.root}\n")
        self.arrived(whole)
        self.fails(self.copy("--platform", "linux/riscv64", src, self.ref), 3, "linux/riscv64")

    def test_other_bytes_are_never_completed(self):
        src = self.source.add(self.image)
        name = self.image.layers[0]["digest"]
        wrong = bytearray(self.source.blobs[name])
        wrong[-1] ^= 1
        self.source.blobs[name] = bytes(wrong)
        for flags in ((), ("--chunk-size", "100KiB")):
            self.registry.received = 0
            self.fails(self.copy(*flags, src, self.ref), 8, name)
            self.assertNotIn(name, self.registry.has["target"])
            self.assertNotIn("1", self.registry.manifests)
            self.assertEqual(self.registry.uploads, {})
            self.assertEqual([p for m, p, _ in self.registry.requests if m == "PUT" and name.replace(":", "%3A") in p and flags], [])

    def test_breaks_on_either_side(self):
        self.image = Image([noise(4 * MIB)], compression="plain")
        src = self.source.add(self.image)
        name = self.image.layers[0]["digest"]

        def source_fault(handler, path):
            if name in path and handler.command == "GET" and not handler.headers.get("Range"):
                return self.source.send(handler, self.source.blobs[name], cut=MIB)
            return None

        self.source.fault = source_fault
        self.once(self.is_body("PATCH"), self.cut(True))
        result = self.copy("--chunk-size", "1MiB", src, self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.arrived()
        self.registry.has.clear()
        self.once(self.is_body("PUT"), self.cut(False))
        result = self.copy(src, self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.arrived()

    def test_a_source_that_fails(self):
        src = self.source.add(self.image)
        name = self.image.layers[0]["digest"]
        self.source.fault = lambda handler, path: name in path and handler.error(503)
        result = self.copy("--retries", "1", src, self.ref)
        self.fails(result, 6, name, "503")
        self.assertEqual(self.source.count("GET", name), 2)
        self.assertNotIn("1", self.registry.manifests)
        self.source.fault = lambda handler, path: name in path and handler.error(404, "BLOB_UNKNOWN")
        self.fails(self.copy(src, self.ref), 3, name)
        self.fails(self.copy(f"{self.source.host}/image:none", self.ref), 3, "image:none")

    def test_a_target_that_stops_reading_ends_the_download_too(self):
        self.image = Image([noise(20 * MIB)], compression="plain")
        src = self.source.add(self.image)
        release = threading.Event()
        self.addCleanup(release.set)
        self.registry.fault = lambda handler, path: self.is_body("PUT")(handler, path) and release.wait(60) and False
        self.fails(self.copy("--stall-timeout", SHORT, "--retries", "0", src, self.ref), 6, "not a byte")

    def test_on_one_registry_it_is_mounted(self):
        src = self.registry.add(self.image)
        answer = self.lade.json("images", "copy", "--progress", "none", src, self.ref)
        self.assertEqual((answer["uploaded"], answer["mounted"]), (1, 3))
        self.arrived()
        self.assertEqual(self.blob_gets(self.registry), 0)

    def test_what_the_store_has_is_taken_from_there(self):
        src = self.pulled(self.source, self.image)
        self.source.requests.clear()
        before = self.lade.json("content", "ls")
        self.assertEqual(self.copy(src, self.ref).code, 0)
        self.arrived()
        self.assertEqual(self.blob_gets(self.source), 0)
        self.assertEqual(self.lade.json("content", "ls"), before)

    def test_each_registry_has_its_own_credentials(self):
        src = self.source.add(self.image)

        def needs(user):
            def fault(handler, path):
                if handler.headers.get("Authorization") != basic(user, user + "-secret"):
                    return handler.error(401, "UNAUTHORIZED", "login needed", {"WWW-Authenticate": 'Basic realm="x"'})
                return None

            return fault

        self.source.fault, self.registry.fault = needs("from"), needs("to")
        users = ("--src-user", "from:from-secret", "--dst-user", "to:to-secret")
        self.fails(self.copy(*users[:2], src, self.ref), 7, self.registry.host)
        self.fails(self.copy(*users[2:], src, self.ref), 7, self.source.host)
        self.assertEqual(self.copy(*users, src, self.ref).code, 0)
        self.arrived()
        for registry, other in ((self.source, "to"), (self.registry, "from")):
            for _, _, headers in registry.requests:
                self.assertNotEqual(headers.get("Authorization"), basic(other, other + "-secret"))
        self.fails(self.copy("-u", "me:secret", src, self.ref), 2, "--src-user", "--dst-user")
        self.fails(self.copy("--tlscert", "/cert.pem", "--tlskey", "/key.pem", src, self.ref), 2, "--tlscert", "two registries")
        for flag in ("--plain-http", "--skip-verify"):
            self.fails(self.copy(flag, src, self.ref), 2, flag, f"--src-{flag[2:]}", f"--dst-{flag[2:]}")
            self.assertEqual(self.copy(*users, f"--src-{flag[2:]}", src, self.ref).code, 0)
        self.registry.add(self.image)
        self.assertEqual(self.copy("-u", "to:to-secret", f"{self.registry.host}/image:latest", f"{self.registry.host}/again:1").code, 0)


class WrongBytes(Copying):
    """Whoever has other bytes than it should is not asked again, and somebody else is."""

    def setUp(self):
        super().setUp()
        self.src = self.source.add(self.image)
        self.name = self.image.layers[0]["digest"]
        self.body = self.image.blobs[self.name]
        self.wrong = self.body[:-1] + bytes([self.body[-1] ^ 1])

    def mirror(self, rule):
        mirror = BrokenRegistry()
        self.addCleanup(mirror.stop)
        mirror.add(self.image)
        mirror.fault = rule(mirror)
        folder = self.scratch / "certs.d" / self.source.host
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(f'[host."http://{mirror.host}"]\n')
        return mirror

    def through_mirror(self, *flags):
        return self.copy("--hosts-dir", self.scratch / "certs.d", *flags, self.src, self.ref)

    def test_of_a_mirror(self):
        mirror = self.mirror(lambda mirror: lambda handler, path: path.endswith(self.name) and mirror.send(handler, self.wrong))
        for flags in ((), ("--chunk-size", "100KiB")):
            with self.subTest(flags):
                self.registry.has.clear()
                self.registry.manifests.clear()
                result = self.through_mirror(*flags)
                self.assertEqual((result.code, result.out), (0, f"{self.ref}@{self.image.root}\n"), result.err)
                self.assertRegex(result.err, f"warning: layer {self.name}: http://{mirror.host} sent something else, fetching it anew")
                self.arrived()
        self.assertEqual(self.source.count("GET", "/blobs/"), 2)

    def test_of_a_mirrors_document(self):
        text = self.source.manifests["latest"][1].replace(b"layers", b"Layers")
        mirror = self.mirror(lambda mirror: lambda handler, path: handler.command == "GET" and "/manifests/sha256" in path and mirror.send(handler, text))
        result = self.through_mirror()
        self.assertEqual(result.code, 0, result.err)
        self.assertIn(f"http://{mirror.host} sent something else", result.err)
        self.arrived()

    def test_of_all(self):
        mirror = self.mirror(lambda mirror: lambda handler, path: path.endswith(self.name) and mirror.send(handler, self.wrong))
        self.source.blobs[self.name] = self.wrong
        result = self.through_mirror()
        self.fails(result, 8, self.name, self.source.host)
        self.assertIn(mirror.host, result.err)
        self.assertNotIn(self.name, self.registry.has["target"])
        self.assertEqual(self.registry.uploads, {})

    def damage(self, data):
        self.assertEqual(self.pulled(self.source, self.image), self.src)
        path = self.lade.root / "content/blobs" / self.name.replace(":", "/")
        path.chmod(0o644)
        path.write_bytes(data)
        self.source.requests.clear()

    def test_of_the_store(self):
        self.damage(self.wrong)
        result = self.copy(self.src, self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.assertRegex(result.err, f"warning: layer {self.name}: the store's copy is damaged")
        self.arrived()
        self.assertEqual(self.blob_gets(self.source), 1)

    def test_of_the_store_and_the_registry(self):
        self.damage(self.wrong)
        self.source.blobs[self.name] = self.wrong
        self.fails(self.copy(self.src, self.ref), 8, self.name, self.source.host)
        self.assertNotIn(self.name, self.registry.has["target"])


class OtherImages(Copying):
    def test_a_manifest_of_another_platform(self):
        self.image = Image([noise(1000)], architecture="s390x")
        src = self.source.add(self.image)
        for work in (lambda: self.copy("--platform", "linux/arm64", src, self.ref), lambda: self.push("--platform", "linux/arm64", self.ref, self.pulled(self.source, self.image))):
            self.registry.manifests.clear()
            result = work()
            self.assertEqual(result.code, 0, result.err)
            self.assertIn(f"warning: image {self.image.root} is for linux/s390x, not linux/arm64", result.err)
            self.arrived()
        self.assertNotIn("s390x", self.copy("--platform", "linux/s390x", src, self.ref).err)

    def test_schema_1_says_what_to_do(self):
        media_type = "application/vnd.docker.distribution.manifest.v1+json"
        text = json.dumps({"schemaVersion": 1, "name": "image", "tag": "old", "architecture": "amd64", "fsLayers": [], "history": []}).encode()
        self.source.manifests["old"] = self.source.manifests[digest(text)] = (media_type, text)
        self.fails(self.copy(f"{self.source.host}/image:old", self.ref), 5, "schema 1", "images pull", "images push")
        self.assertEqual(self.registry.requests, [])

    def test_foreign_layers(self):
        def foreign(config, descriptors):
            descriptors[0].update(mediaType=DOCKER + "image.rootfs.foreign.diff.tar.gzip", urls=[f"http://{self.source.host}/foreign"])

        self.image = Image([noise(1000), noise(2000)], kind="docker", change=foreign)
        src = self.source.add(self.image)
        name = self.image.layers[0]["digest"]
        body = self.source.blobs[name]
        self.source.fault = lambda handler, path: self.source.send(handler, body) if path == "/foreign" else name in path and handler.error(404, "BLOB_UNKNOWN", "none")
        self.assertEqual(self.copy(src, self.ref).code, 0)
        self.assertNotIn(name, self.registry.has["target"])
        self.fails(self.copy("--allow-nondistributable", src, self.ref), 5, name, "--foreign-layers")
        result = self.copy("--foreign-layers", src, self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.arrived()


class StockCopies(Copying):
    def test_between_stock_registries(self):
        need_tools("skopeo")
        registries = [StockRegistry().start() for _ in range(2)]
        for registry in registries:
            self.addCleanup(registry.stop)
        images = [Image([Layer().file("f", name), noise(2 * MIB)], architecture=name) for name in ("amd64", "arm64")]
        whole = index_of(images)
        src = f"{registries[0].host}/from/here:1"
        self.lade.ok("images", "copy", "--progress", "none", self.source.add(whole), src)
        dst = f"{registries[1].host}/to/there:2"
        for flags, target in (((), dst), (("--chunk-size", "512KiB"), dst + "-pieces")):
            self.assertEqual(self.copy(*flags, src, target).out, f"{target}@{whole.root}\n")
            raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{target}"], capture_output=True, check=True, env={**os.environ, "HOME": str(self.scratch)}).stdout
            self.assertEqual(digest(raw), whole.root)
        other = Lade(self.scratch / "other")
        self.assertEqual(other.json("images", "pull", "--all-platforms", "--progress", "none", dst)["target"]["digest"], whole.root)
        self.assertEqual(self.copy(src, f"{registries[0].host}/from/there:1").code, 0)
        self.assertEqual(json.loads(raw)["mediaType"], OCI + "index.v1+json")
