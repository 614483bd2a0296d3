"""Bad input: one line that names object and cause, its exit code, and a store that the next command can use."""

import json
import os
import sqlite3
import subprocess
import unittest
import urllib.parse

from support import images
from support.broken import RegistryCase, basic
from support.images import Image, Layer
from support.program import need_root
from support.registry import StockRegistry


def sample():
    return Image([Layer().file("f", "text"), Layer().file("big", os.urandom(300_000))])


class BadInput(RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = sample()
        self.ref = self.registry.add(self.image)
        self.unpack = [] if os.geteuid() == 0 else ["--no-unpack"]

    def pull(self, ref=None, *more, **also):
        return self.lade.run("images", "pull", "--progress", "none", *self.unpack, *more, ref or self.ref, **also)

    def assert_usable(self):
        """The fault is gone: the same store serves, and nothing is left over."""
        self.registry.fault = None
        result = self.pull()
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.lade.ingests(), [])
        self.assertEqual({s["kind"] for s in self.lade.json("snapshots", "ls")} - {"committed"}, set())

    def on_blob(self, digest, action):
        def fault(handler, path):
            if digest in path and handler.command == "GET":
                return action(handler)
            return None

        self.registry.fault = fault

    def big(self):
        return self.image.layers[1]["digest"]

    def test_a_wrong_reference(self):
        for ref in ("Alpine", "a//b", "http://x/y", "x/y:", "x/y@sha256:abc", ""):
            with self.subTest(ref):
                self.fails(self.lade.run("images", "pull", ref), 2)

    def test_an_unknown_tag(self):
        self.fails(self.pull(f"{self.registry.host}/image:none"), 3, "image:none", "404")
        self.assert_usable()

    def test_without_libcurl_only_registries_are_out_of_reach(self):
        folder = self.scratch / "libraries"
        folder.mkdir()
        (folder / "libcurl.so.4").write_text("no library")
        without = {"LD_LIBRARY_PATH": str(folder)}
        self.fails(self.pull(env=without), 1, "libcurl")
        self.assertEqual(self.lade.run("images", "ls", env=without).code, 0)
        self.assert_usable()

    def test_a_wrong_digest_while_unpacking_behind_the_download(self):
        need_root()
        body = bytearray(self.image.blobs[self.big()])
        body[-1] ^= 1
        self.on_blob(self.big(), lambda handler: self.registry.send(handler, bytes(body)))
        self.fails(self.pull(), 8, self.big())
        self.assert_usable()

    def changed(self, change):
        """An image whose first layer is something else; returns its reference."""
        return self.registry.add(Image([Layer().file("f", "text" * 10_000)], change=change), "changed")

    def swap(self, blob):
        def change(config, descriptors):
            descriptors[0].update(digest=images.digest(blob), size=len(blob))

        self.registry.blobs[images.digest(blob)] = blob
        return self.changed(change)

    def test_a_corrupt_or_cut_gzip_layer(self):
        need_root()
        good = images.compress(Layer().file("f", os.urandom(50_000)).bytes(), "gzip")
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 0xFF
        for word, blob in (("cut short", good[: len(good) // 2]), ("gzip", bytes(flipped)), ("garbage after the last member", good + b"garbage")):
            with self.subTest(word):
                self.fails(self.pull(self.swap(blob)), 8, images.digest(blob), word)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assert_usable()

    def test_a_wrong_diff_id(self):
        need_root()
        wrong = "sha256:" + "0" * 64
        ref = self.changed(lambda config, descriptors: config["rootfs"].update(diff_ids=[wrong]))
        self.fails(self.pull(ref), 8, wrong)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assert_usable()

    def test_a_config_with_the_wrong_number_of_layers(self):
        need_root()
        ref = self.changed(lambda config, descriptors: config["rootfs"].update(diff_ids=[]))
        self.fails(self.pull(ref), 2, "0 diff IDs for 1 layers")
        self.assert_usable()

    def test_an_ambiguous_document(self):
        media_type, text = self.registry.manifests["latest"]
        both = json.dumps({**json.loads(text), "manifests": [self.image.descriptor()]}).encode()
        self.registry.manifests["latest"] = self.registry.manifests[images.digest(both)] = (media_type, both)
        self.fails(self.pull(), 2, "ambiguous")

    def test_a_path_that_leaves_the_root(self):
        need_root()
        outside = self.scratch / "outside"
        outside.mkdir()
        layer = Layer().symlink("out", str(outside)).file("out/f", "x").file("../../escape", "x")
        ref = self.registry.add(Image([layer]), "escape")
        self.assertEqual(self.pull(ref).code, 0)
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        self.assertEqual(os.listdir(outside), [])
        self.assertEqual((self.scratch / "flat/escape").read_text(), "x")
        self.assertTrue((self.scratch / ("flat" + str(outside)) / "f").is_file())

    def test_names_that_cannot_be(self):
        need_root()
        layers = {
            "to-nothing": Layer().symlink("to-nothing", ""),
            "hard-to-nothing": Layer().link("hard-to-nothing", ""),
            "n" * 256: Layer().file("d/" + "n" * 256),
        }
        for name, layer in layers.items():
            with self.subTest(name):
                self.fails(self.pull(self.registry.add(Image([layer]), "names")), 2, name)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assert_usable()

    def test_directories_deeper_than_descriptors_reach(self):
        """Links stacked on links: no name is deep, where they lead is."""
        need_root()
        layer, steps = Layer(), "d/" * 200
        layer.dir(steps)
        below = steps
        for i in range(10):
            layer.symlink(f"link{i}", below)
            below = f"link{i}/" + steps
            layer.dir(below)
        ref = self.registry.add(Image([layer]), "deep")
        few = ["prlimit", "--nofile=1024:1024"]
        self.fails(self.pull(ref, prefix=few), 9, "entry link0/d/d", "deeper than")
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.fails(self.lade.run("images", "unpack", ref, "--to", self.scratch / "flat", prefix=few), 9, "deeper than")
        self.assertFalse((self.scratch / "flat").exists())
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assert_usable()

    def test_directories_as_deep_as_they_may_be(self):
        need_root()
        steps = "d/" * 255
        base = Layer().dir(steps).file(steps + "f")
        image = Image([base, *(Layer().file(f"{steps}{i}") for i in range(6)), Layer().link("hard", steps + "f")])
        ref = self.registry.add(image, "deep")
        few = ["prlimit", "--nofile=1024:1024"]
        self.assertEqual(self.pull(ref, prefix=few).code, 0)
        for more in (["--snapshotter", "native"], ["--to", self.scratch / "flat"]):
            result = self.lade.run("images", "unpack", ref, *more, prefix=few)
            self.assertEqual(result.code, 0, result.err)
        self.assertTrue((self.scratch / "flat" / steps / "5").is_file())
        self.assertEqual(self.lade.run("images", "rm", ref, prefix=few).code, 0)
        self.assertEqual(self.lade.run("gc", prefix=few).code, 0)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])

    def test_a_full_disk(self):
        need_root()
        small = self.scratch / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(small)], check=True)
        self.lade.root = small / "store"
        self.lade.env["LADE_ROOT"] = str(self.lade.root)
        ref = self.registry.add(Image([Layer().file("big", os.urandom(4_000_000))]), "big")
        self.fails(self.pull(ref), 9, "No space left")
        self.assertEqual(self.lade.json("images", "ls"), [])
        self.lade.ok("gc")
        subprocess.run(["mount", "-o", "remount,size=50m", str(small)], check=True)
        self.assertEqual(self.pull(ref).code, 0)
        self.assertEqual(self.lade.ingests(), [])

    def test_a_root_that_cannot_be_written(self):
        need_root()
        place = self.scratch / "closed"
        place.mkdir(mode=0o755)
        os.chmod(self.scratch, 0o755)
        result = self.lade.run("leases", "create", env={"LADE_ROOT": str(place / "store")}, prefix=["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"])
        self.fails(result, 7, str(place / "store"))

    def test_a_store_from_a_newer_version(self):
        self.assertEqual(self.pull().code, 0)
        with sqlite3.connect(self.lade.root / "meta.db") as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            db.execute("PRAGMA user_version = 77")
        self.fails(self.lade.run("images", "ls"), 5, "77", str(self.lade.root))
        with sqlite3.connect(self.lade.root / "meta.db") as db:
            db.execute(f"PRAGMA user_version = {version}")
        self.assert_usable()

    def test_a_database_of_something_else_is_not_touched(self):
        self.lade.root.mkdir(mode=0o700)
        path = self.lade.root / "meta.db"
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 3")
            db.execute("CREATE TABLE other (x)")
        before = path.read_bytes()
        self.fails(self.lade.run("namespaces", "create", "x"), 5, "meta.db", "not a lade store")
        self.assertEqual(path.read_bytes(), before)

    def test_a_corrupt_database(self):
        self.lade.ok("leases", "create")
        for name in ("meta.db-wal", "meta.db-shm"):
            (self.lade.root / name).unlink(missing_ok=True)
        (self.lade.root / "meta.db").write_bytes(b"not a database" * 1000)
        self.fails(self.lade.run("images", "ls"), 8, "meta.db")

    def test_a_blob_that_went_missing_or_changed_is_not_served(self):
        self.assertEqual(self.pull().code, 0)
        file = self.lade.root / "content/blobs/sha256" / self.image.root.split(":")[1]
        text = bytearray(file.read_bytes())
        text[0] ^= 1
        os.chmod(file, 0o644)
        file.write_bytes(bytes(text))
        self.fails(self.lade.run("images", "inspect", self.ref), 8, self.image.root)
        file.unlink()
        self.fails(self.lade.run("content", "get", self.image.root), 8, self.image.root)

    def test_a_spoilt_ingest_is_thrown_away_once_and_fetched_anew(self):
        body = self.image.blobs[self.big()]
        self.on_blob(self.big(), lambda handler: self.registry.send(handler, body, ranges=False, cut=200_000))
        self.assertEqual(self.pull(None, "--retries", "0").code, 6)
        (data,) = [d for d in (self.lade.root / "content/ingest").glob("*/data") if self.big() in (d.parent / "ref").read_text()]
        spoilt = bytearray(data.read_bytes())
        self.assertEqual(len(spoilt), 200_000)
        spoilt[5] ^= 1
        data.write_bytes(bytes(spoilt))
        self.registry.fault = None
        result = self.pull()
        self.assertEqual(result.code, 0, result.err)
        self.assertIn("fetching it anew", result.err)
        self.assertEqual(self.lade.ingests(), [])

    def test_wrong_usage(self):
        for args in (["images", "pull"], ["nonsense"], ["images", "nonsense"], ["images", "pull", "--nonsense", "x"], ["images", "pull", "--progress", "x", "a"],
                     ["images", "pull", "--platform", "a/b/c/d", "x"], ["content", "get", "sha256:zz"], ["-n", "a..b", "images", "ls"],
                     ["snapshots", "--snapshotter", "zfs", "ls"], ["leases", "create", "-x", "soon"]):
            with self.subTest(args):
                self.fails(self.lade.run(*args), 2)


class Credentials(RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = sample()
        self.ref = self.registry.add(self.image)

    def pull(self, *more, **also):
        return self.lade.run("images", "pull", "--no-unpack", "--progress", "none", *more, self.ref, **also)

    def need_basic(self):
        def fault(handler, path):
            if handler.headers.get("Authorization") != basic("me", "secret"):
                return handler.error(401, "UNAUTHORIZED", "login needed", {"WWW-Authenticate": 'Basic realm="x"'})
            return None

        self.registry.fault = fault

    def test_basic_from_the_command_line(self):
        self.need_basic()
        self.fails(self.pull(), 7)
        result = self.pull("-u", "me:wrong")
        self.fails(result, 7, "the credentials are not accepted")
        self.assertNotIn("may not exist", result.err)
        self.assertNotIn("wrong", result.err)
        self.assertEqual(self.pull("-u", "me:secret").code, 0)

    def test_basic_from_the_docker_configuration(self):
        self.need_basic()
        config = self.scratch / "docker"
        config.mkdir()
        (config / "config.json").write_text(json.dumps({"auths": {self.registry.host: {"auth": basic("me", "secret").removeprefix("Basic ")}}}))
        self.assertEqual(self.pull(env={"DOCKER_CONFIG": str(config)}).code, 0)
        (config / "config.json").write_text("{broken")
        self.fails(self.pull(env={"DOCKER_CONFIG": str(config)}), 2, "config.json")

    def test_a_bearer_token_is_asked_for_once(self):
        tokens = []

        def fault(handler, path):
            if path == "/token":
                tokens.append(handler.path)
                return handler.answer(200, json.dumps({"token": "t0ken", "expires_in": 300}).encode(), {"Content-Type": "application/json"})
            if handler.headers.get("Authorization") != "Bearer t0ken":
                challenge = f'Bearer realm="http://{self.registry.host}/token",service="reg",scope="repository:image:pull"'
                return handler.error(401, "UNAUTHORIZED", "token needed", {"WWW-Authenticate": challenge})
            return None

        self.registry.fault = fault
        self.assertEqual(self.pull().code, 0)
        self.assertEqual(len(tokens), 1)
        self.assertIn("scope=repository", tokens[0])
        self.assertIn("service=reg", tokens[0])

    def test_an_identity_token_buys_an_access_token(self):
        asked = []

        def fault(handler, path):
            if path == "/token":
                form = urllib.parse.parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
                asked.append((handler.command, form))
                return handler.answer(200, json.dumps({"access_token": "t0ken"}).encode())
            if handler.headers.get("Authorization") != "Bearer t0ken":
                challenge = f'Bearer realm="http://{self.registry.host}/token",service="reg"'
                return handler.error(401, "UNAUTHORIZED", "token needed", {"WWW-Authenticate": challenge})
            return None

        self.registry.fault = fault
        config = self.scratch / "docker"
        config.mkdir()
        (config / "config.json").write_text(json.dumps({"auths": {self.registry.host: {"identitytoken": "1dentity"}}}))
        result = self.pull(env={"DOCKER_CONFIG": str(config)})
        self.assertEqual(result.code, 0, result.err)
        ((method, form),) = asked
        self.assertEqual(method, "POST")
        self.assertEqual(form["grant_type"], ["refresh_token"])
        self.assertEqual(form["refresh_token"], ["1dentity"])
        self.assertEqual(form["service"], ["reg"])

    def test_the_stock_registry_with_basic_auth(self):
        registry = StockRegistry(users={"me": "secret"}).start()
        self.addCleanup(registry.stop)
        layout = self.image.write_layout(self.scratch / "layout")
        self.ref = registry.push(layout, "t", "private:1", "--dest-creds", "me:secret")
        self.fails(self.pull(), 7)
        self.assertEqual(self.pull("-u", "me:secret").code, 0)


if __name__ == "__main__":
    unittest.main()
