"""What images import believes of an archive, what it takes from other images, and what it leaves behind."""

import json
import os
import signal
import sqlite3
import subprocess
import tarfile
import time

from support.archives import docker_entries, layout_entries, tar
from support.images import Image, Layer, compress, index_of
from support.program import SANITIZED
from test_import import IMAGE_NAME, ImportCase

WRONG = "sha256:" + "1" * 64
REF_NAME = "org.opencontainers.image.ref.name"


class TrustCase(ImportCase):
    def blobs(self):
        return {blob["digest"] for blob in self.lade.json("content", "ls")}

    def refused(self, entries, code, *words, flags=()):
        """From a file and from a pipe, and nothing is left."""
        path = self.file(entries, "refused.tar")
        self.fails(self.lade.run("images", "import", path, *flags), code, *words)
        done = self.stream(tar(entries), *flags)
        self.assertEqual(done.returncode, code, done.stderr)
        self.lade.ok("gc")
        self.assertEqual((self.names(), self.blobs(), self.lade.ingests()), ([], set(), []))


class NamesByDigest(TrustCase):
    def test_of_archives(self):
        for name in ("a@" + WRONG, "a:1@" + WRONG):
            self.refused(docker_entries([(self.plain, [name])]), 8, name, "which its name does not say")
            for key in (IMAGE_NAME, REF_NAME):
                self.refused(layout_entries({(key, name): self.image}), 8, name, self.image.root)
        for key in (IMAGE_NAME, REF_NAME):
            name = f"docker.io/library/{key.lower()[-4:]}@{self.image.root}".replace("/.", "/x")
            self.take(self.file(layout_entries({(key, name): self.image})))
            self.assertIn(name, self.names())
            self.lade.ok("images", "pull", "--offline", name)
        path = self.file(layout_entries({"a:1": self.image}))
        self.fails(self.lade.run("images", "import", path, "--index-name", "b@" + WRONG), 2, "b@" + WRONG)

    def test_of_people(self):
        self.take(self.file(layout_entries({"a:1": self.image})))
        name = "b@" + WRONG
        for command in (("tag", "a:1"), ("tag", "--force", "a:1"), ("tag", "--skip-reference-check", "a:1"), ("convert", "--uncompress", "a:1"), ("copy", "--dest-namespace", "there", "a:1"), ("copy", "--to-root", self.scratch / "there", "a:1")):
            self.fails(self.lade.run("images", *command, name), 2, name, "its name says another digest")
        (key,) = [row["key"] for row in self.lade.json("snapshots", "ls")][-1:]
        self.lade.ok("images", "tag", "a:1", "b@" + self.image.root)
        self.assertEqual(self.names(), ["docker.io/library/a:1", "docker.io/library/b@" + self.image.root])
        # A name that is nothing but a digest is CRI's, of the config.
        self.lade.ok("images", "tag", "a:1", self.image.config["digest"])
        self.lade.ok("snapshots", "info", key)

    def test_from_before(self):
        """A store that has such a name already: nothing vouches for it."""
        self.take(self.file(layout_entries({"a:1": self.image})))
        name = "127.0.0.1:1/a@" + WRONG
        with sqlite3.connect(self.lade.root / "meta.db") as database:
            database.execute("UPDATE images SET name = ?", (name,))
        database.close()
        self.fails(self.lade.run("images", "pull", "--offline", name), 3, name, self.image.root)
        for policy in ("--if-missing", "--if-newer"):
            self.fails(self.lade.run("images", "pull", policy, "--retries", "0", name), 6, name)
        # Its labels may still be changed, and it may go.
        self.lade.ok("images", "label", name, "x=y")
        self.lade.ok("images", "rm", name)

    def test_what_is_exported_of_an_index(self):
        """A part of it has another digest."""
        other = Image([Layer().file("d/a", "other")], architecture="s390x")
        index = index_of([self.image, other])
        names = ["docker.io/library/a:1@" + index.root, "docker.io/library/b@" + index.root]
        layout = {(IMAGE_NAME, names[0]): index, (IMAGE_NAME, names[1]): index}
        self.take(self.file(layout_entries(layout)))
        self.assertEqual(self.names(), names)
        out = self.lade.ok("images", "export", self.scratch / "out.tar", *names)
        self.assertIn("called docker.io/library/a:1", out.err)
        self.assertIn("called nothing", out.err)
        with tarfile.open(self.scratch / "out.tar") as archive:
            listed = json.load(archive.extractfile("index.json"))["manifests"]
        self.assertEqual(sorted(one.get("annotations", {}).get(IMAGE_NAME, "") for one in listed), ["", "docker.io/library/a:1"])
        self.lade.ok("images", "rm", *names)
        self.assertEqual([one["name"] for one in self.take(self.scratch / "out.tar")], ["docker.io/library/a:1"])


class Discarded(TrustCase):
    def check_kept(self, keeper, path, *names):
        layers = {layer["digest"] for layer in self.image.layers}
        done = self.lade.ok("images", "import", path, "--discard-unpacked-layers")
        self.assertEqual(len([line for line in done.err.splitlines() if "layers are kept" in line]), 1, done.err)
        self.assertIn(keeper, done.err)
        self.lade.ok("gc")
        self.assertTrue(layers <= self.blobs())
        for name in names:
            self.lade.ok("images", "export", "--all-platforms", self.scratch / "z.tar", name)

    def test_what_another_name_has_stays(self):
        path = self.file(layout_entries({"a:1": self.image}))
        self.take(path)
        self.lade.ok("images", "tag", "a:1", "keep:1")
        self.check_kept("docker.io/library/keep:1", path, "keep:1", "a:1")
        self.lade.ok("images", "rm", "keep:1")
        self.assertNotIn("layers are kept", self.lade.ok("images", "import", path, "--discard-unpacked-layers").err)
        self.assertEqual(self.blobs(), {self.image.root, self.image.config["digest"]})

    def test_by_way_of_an_index(self):
        index = index_of([self.image])
        self.take(self.file(layout_entries({"whole:1": index}), "index.tar"))
        self.check_kept("docker.io/library/whole:1", self.file(layout_entries({"a:1": self.image})), "whole:1")

    def test_what_a_lease_has_stays(self):
        path = self.file(layout_entries({"a:1": self.image}))
        self.lade.ok("leases", "create", "--id", "held")
        self.lade.ok("images", "import", path, "--lease", "held")
        self.check_kept("lease held", path)

    def test_another_namespace_loses_nothing_and_is_not_asked(self):
        path = self.file(layout_entries({"a:1": self.image}))
        self.lade.ok("-n", "there", "images", "import", path)
        self.assertNotIn("layers are kept", self.lade.ok("images", "import", path, "--discard-unpacked-layers").err)
        self.lade.ok("-n", "there", "images", "export", self.scratch / "z.tar", "a:1")


class Verified(TrustCase):
    def compressed(self, how, wrong=False):
        entries = docker_entries([(self.plain, ["a:1"])])
        first = self.plain.layers[0]["digest"].split(":")[1] + ".tar"
        other = Layer().dir("d").file("d/a", "evil").bytes()
        return [(name, compress(other if wrong and name == first else data, how) if name.endswith(".tar") else data) for name, data in entries]

    def test_compressed_layers_of_docker_archives(self):
        for how in ("gzip", "zstd"):
            for flags in (("--no-unpack",), ("--no-unpack", "--compress-blobs"), ("--compress-blobs",), ()):
                self.refused(self.compressed(how, wrong=True), 8, self.plain.layers[0]["digest"], flags=flags)
        # Where nothing is unpacked, as the snapshots are there.
        self.take(self.file(layout_entries({"b:1": self.image})))
        for blob in self.image.layers:
            self.lade.ok("content", "rm", "--no-gc", blob["digest"])
        self.fails(self.lade.run("images", "import", self.file(self.compressed("gzip", wrong=True))), 8, self.plain.layers[0]["digest"])
        for how in ("gzip", "zstd"):
            self.take(self.file(self.compressed(how)), "--no-unpack")
            self.assertEqual(self.lade.json("images", "check", "name==docker.io/library/a:1", "--verify")[0]["status"], "complete")

    def spoil(self, blob):
        path = self.lade.root / "content" / "blobs" / blob.replace(":", "/")
        if not path.exists():
            (path,) = (self.lade.root / "content").glob("**/" + blob.split(":")[1])
        os.chmod(path, 0o600)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def test_check(self):
        path = self.file(layout_entries({"a:1": self.image}))
        self.take(path)
        self.lade.ok("images", "tag", "a:1", "b:1")
        self.assertEqual([row["status"] for row in self.lade.json("images", "check", "--verify")], ["complete"] * 2)
        spoilt = self.image.layers[1]["digest"]
        self.spoil(spoilt)
        self.assertEqual([row["status"] for row in self.lade.json("images", "check")], ["complete"] * 2)
        done = self.lade.run("images", "check", "--verify")
        self.assertEqual(done.code, 8)
        for name in ("a:1", "b:1"):
            self.assertRegex(done.err, f"lade: image docker.io/library/{name}: content {spoilt}: its content has digest")
        self.assertEqual([line.split()[3:5] for line in done.out.splitlines()[1:]], [["damaged", "(2/3)"]] * 2)
        done = self.lade.run("images", "check", "--verify", "--json")
        self.assertEqual([(row["status"], row["present"], row["required"]) for row in done.json()], [("damaged", 2, 3)] * 2)
        self.assertEqual(self.lade.run("images", "check", "--verify", "--quiet").out, "")
        # As the manual says it is cured.
        self.lade.ok("content", "rm", spoilt)
        self.take(path)
        self.assertEqual([row["status"] for row in self.lade.json("images", "check", "--verify")], ["complete"] * 2)


class Left(TrustCase):
    SIZE = 2 << 30

    def huge(self):
        """A docker archive with a layer that takes a while, and lies in a hole."""
        config = json.dumps({"os": "linux", "architecture": os.uname().machine, "rootfs": {"type": "layers", "diff_ids": [WRONG]}}).encode()
        head = tar([("c.json", config), ("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["huge.tar"]}]).encode())])[:-1024]
        info = tarfile.TarInfo("huge.tar")
        info.size = self.SIZE
        path = self.scratch / "huge.tar"
        with open(path, "wb") as out:
            out.write(head + info.tobuf(tarfile.GNU_FORMAT))
            out.truncate(out.tell() + self.SIZE + 1024)
        return path

    def active(self):
        return [(one["ref"], one["offset"]) for one in self.lade.json("content", "active")]

    def largest(self):
        sizes = [0]
        for file in (self.lade.root / "content").glob("ingest/*/data"):
            try:
                sizes.append(file.stat().st_size)
            except FileNotFoundError:  # became a blob
                pass
        return max(sizes)

    def interrupt(self, path, how, beginning=1 << 20):
        with self.lade.start("images", "import", path, "--no-unpack") as process:
            deadline = time.monotonic() + (120 if SANITIZED else 60)
            while process.poll() is None and time.monotonic() < deadline:
                if self.largest() > beginning:
                    break
                time.sleep(0.001)
            process.send_signal(how)
            process.communicate()
        # One that came to its end before was refused.
        self.assertIn(process.returncode, (-how, 8))
        return process.returncode

    def test_interrupted(self):
        path = self.huge()
        for how in (signal.SIGINT, signal.SIGKILL):
            self.interrupt(path, how)
            self.lade.ok("gc")
            self.assertEqual((self.active(), self.blobs(), self.lade.ingests()), ([], set(), []))
        # One that goes on with what a killed one left does not make it stay.
        self.interrupt(path, signal.SIGKILL)
        self.interrupt(path, signal.SIGINT)
        self.lade.ok("gc")
        self.assertEqual((self.active(), self.blobs(), self.lade.ingests()), ([], set(), []))

    def test_what_somebody_else_began_stays(self):
        ref = "layer-" + WRONG
        command = self.lade.command("content", "ingest", "--expected-size", self.SIZE, "--expected-digest", WRONG, ref)
        self.assertNotEqual(subprocess.run(command, input=bytes(1 << 20), env=self.lade.env, capture_output=True).returncode, 0)
        self.assertEqual(self.active(), [(ref, 1 << 20)])
        ended = self.interrupt(self.huge(), signal.SIGINT, beginning=1 << 20)
        self.lade.ok("gc")
        if ended == -signal.SIGINT:
            ((kept, offset),) = self.active()
            self.assertEqual(kept, ref)
            self.assertGreaterEqual(offset, 1 << 20)


del ImportCase, TrustCase
