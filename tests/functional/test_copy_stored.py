"""Copies out of the store: into another namespace, where rows alone are written, and into another store, by reflink, hard
link or copy. Whatever ends one, both stores are good."""

import fcntl
import hashlib
import os
import re
import signal
import stat
import subprocess
from pathlib import Path

from support import kinds
from support.images import Image, Layer, index_of
from support.invariants import violations
from support.program import BINARY, Lade, need_root
from support.writable import WritableRegistry
from test_crash import SOURCES
from test_push import MIB, Pushing, noise
from test_push_referrers import Signed

UNCOMPRESSED = "containerd.io/uncompressed"
OF_SNAPSHOT = "containerd.io/gc.ref.snapshot."


class Copying(Pushing):
    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("f", "text"), noise(300_000)])
        self.ref = self.source(self.image)
        self.other = Lade(self.scratch / "other")

    def copy(self, *args, lade=None, **more):
        return (lade or self.lade).run("images", "copy", "--progress", "none", *args, **more)

    def copied(self, *args, lade=None):
        return (lade or self.lade).json("images", "copy", "--progress", "none", *args)

    def blob(self, lade, digest):
        return lade.root / "content/blobs" / digest.replace(":", "/")

    def labels(self, lade, *where):
        return {row["digest"]: row["labels"] for row in lade.json(*where, "content", "ls")}

    def names(self, lade, *where):
        return {row["name"]: row["target"]["digest"] for row in lade.json(*where, "images", "ls")}

    def nothing_came(self, lade):
        """What was stopped as it began is for the next collection."""
        self.assertEqual(lade.json("images", "ls"), [])
        lade.ok("gc")
        self.assertEqual((lade.json("content", "ls"), lade.ingests()), ([], []))

    def tearDown(self):
        for lade in (self.lade, self.other):
            if (lade.root / "meta.db").exists():
                self.assertEqual(violations(lade.root, collected=False), [])
                lade.ok("gc")
                self.assertEqual(violations(lade.root), [])
                self.assertEqual((lade.ingests(), lade.json("leases", "ls")), ([], []))
        super().tearDown()


class ToNamespace(Copying):
    def test_rows_and_no_bytes(self):
        self.lade.ok("images", "label", self.ref, "mine=yes")
        before = {path: path.stat().st_ino for path in self.lade.root.glob("content/blobs/*/*")}
        result = self.copy("--dest-namespace", "there", self.ref)
        self.assertEqual((result.code, result.out), (0, f"{self.ref}@{self.image.root}\n"), result.err)
        self.assertEqual(self.labels(self.lade, "-n", "there"), self.labels(self.lade))
        (image,) = self.lade.json("-n", "there", "images", "ls")
        self.assertEqual((image["name"], image["target"]["digest"], image["labels"]), (self.ref, self.image.root, {"mine": "yes"}))
        self.assertEqual({path: path.stat().st_ino for path in self.lade.root.glob("content/blobs/*/*")}, before)
        # Each namespace keeps it by itself.
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(self.lade.json("content", "ls"), [])
        self.assertEqual(len(self.lade.json("-n", "there", "content", "ls")), 4)
        self.assertEqual([row["status"].split()[0] for row in self.lade.json("-n", "there", "images", "check")], ["complete"])

    def test_whoever_names_it_has_it_to_present(self):
        self.lade.ok("store", "config", "content-sharing", "isolated")
        answer = self.copied("--dest-namespace", "there", self.ref)
        self.assertEqual((answer["namespace"], answer["name"], answer["target"]["digest"]), ("there", self.ref, self.image.root))
        self.assertEqual([answer[how] for how in ("existed", "reflinked", "linked", "copied")], [4, 0, 0, 0])
        self.assertEqual(len(self.lade.json("-n", "there", "content", "ls")), 4)

    def test_by_id_and_under_another_name(self):
        identity = self.image.config["digest"].removeprefix("sha256:")[:12]
        self.assertEqual(self.copied("--dest-namespace", "there", identity)["name"], self.ref)
        self.assertEqual(self.copied("--dest-namespace", "there", self.ref, "team/app:2")["name"], "docker.io/team/app:2")
        self.assertEqual(self.copied("--dest-namespace", "default", self.ref, "again")["name"], "docker.io/library/again:latest")
        self.assertEqual(set(self.names(self.lade, "-n", "there")), {self.ref, "docker.io/team/app:2"})
        self.fails(self.copy("--dest-namespace", "default", self.ref), 2, self.ref, "itself")

    def test_what_has_the_name(self):
        another = self.source(Image([Layer().file("f", "other")]))
        self.copied("--dest-namespace", "there", self.ref, "app")
        self.lade.ok("-n", "there", "images", "label", "app", "theirs=yes")
        # The same again is done already; what people said there stays.
        self.copied("--dest-namespace", "there", self.ref, "app")
        self.assertEqual(self.lade.json("-n", "there", "images", "ls")[0]["labels"], {"theirs": "yes"})
        before = self.lade.json("-n", "there", "content", "ls")
        self.fails(self.copy("--dest-namespace", "there", another, "app"), 4, "docker.io/library/app:latest", self.image.root, "--force")
        self.assertEqual(self.lade.json("-n", "there", "content", "ls"), before)
        target = self.copied("--force", "--dest-namespace", "there", another, "app")["target"]["digest"]
        self.assertEqual(self.names(self.lade, "-n", "there"), {"docker.io/library/app:latest": target})

    def test_snapshots_stay(self):
        need_root()
        self.lade.ok("images", "unpack", "--snapshotter", "native", self.ref)
        self.copied("--dest-namespace", "there", self.ref)
        here, there = self.labels(self.lade), self.labels(self.lade, "-n", "there")
        config, layer = self.image.config["digest"], self.image.layers[0]["digest"]
        self.assertTrue(any(key.startswith(OF_SNAPSHOT) for key in here[config]))
        self.assertFalse(any(key.startswith(OF_SNAPSHOT) for key in there[config]))
        self.assertEqual(there[layer][UNCOMPRESSED], here[layer][UNCOMPRESSED])
        self.assertEqual(self.lade.json("-n", "there", "snapshots", "--snapshotter", "native", "ls"), [])
        self.lade.ok("-n", "there", "images", "unpack", "--snapshotter", "native", self.ref)

    def test_a_lease_there_holds_it(self):
        self.lade.ok("-n", "there", "leases", "create", "--id", "mine")
        self.copied("--lease", "mine", "--dest-namespace", "there", self.ref)
        self.lade.ok("-n", "there", "images", "rm", self.ref)
        self.assertEqual(len(self.lade.json("-n", "there", "content", "ls")), 4)
        self.lade.ok("-n", "there", "leases", "rm", "mine")
        self.fails(self.copy("--lease", "none", "--dest-namespace", "there", self.ref), 3, "none")

    def test_what_cannot_be_meant(self):
        self.fails(self.copy("--dest-namespace", "there", "nothing"), 3, "nothing")
        self.fails(self.copy("--dest-namespace", "no/name", self.ref), 2, "no/name")
        self.fails(self.copy("--dest-namespace", "there", self.ref, "http://x"), 2, "http://x")
        self.fails(self.copy("--dest-namespace", "there", "--src-user", "me:secret", self.ref), 2, "--src-user", "registry")
        self.fails(self.copy("--force", self.ref, "host:5000/x"), 2, "--force", "--dest-namespace")
        self.fails(self.copy(self.ref), 2, "dst")
        self.fails(self.copy("--to-root", "", self.ref), 2, "--to-root")
        self.assertNotIn("there", {row["name"] for row in self.lade.json("namespaces", "ls")})


class Parts(Copying):
    """Of an index not all need be here, and not all need go."""

    def setUp(self):
        super().setUp()
        self.images = {name: Image([Layer().file("f", name), noise(1000)], architecture=name) for name in ("amd64", "arm64", "s390x")}
        self.whole = index_of(list(self.images.values()))

    def has(self, lade, *where):
        present = set(self.labels(lade, *where))
        return {name for name, image in self.images.items() if set(image.blobs) <= present}

    def test_what_is_here_goes(self):
        ref = self.source(self.whole, "--platform", "linux/amd64", "--platform", "linux/arm64")
        self.assertEqual(self.copied("--dest-namespace", "there", ref)["target"]["digest"], self.whole.root)
        self.assertEqual(self.has(self.lade, "-n", "there"), {"amd64", "arm64"})
        self.assertNotIn(self.image.root, self.labels(self.lade, "-n", "there"))
        self.fails(self.copy("--all-platforms", "--to-root", self.other.root, ref), 5, "linux/s390x", self.images["s390x"].root, "--skip-missing")
        self.assertEqual(self.has(self.other), set())
        result = self.copy("--all-platforms", "--skip-missing", "--to-root", self.other.root, ref)
        self.assertEqual((result.code, result.out), (0, f"{ref}@{self.whole.root}\n"), result.err)
        self.assertIn("linux/s390x", result.err)
        self.assertEqual(self.has(self.other), {"amd64", "arm64"})

    def test_chosen_ones_keep_the_index(self):
        ref = self.source(self.whole, "--all-platforms")
        self.assertEqual(self.copied("--platform", "linux/arm64", "--to-root", self.other.root, ref)["target"]["digest"], self.whole.root)
        self.assertEqual(self.has(self.other), {"arm64"})
        self.fails(self.copy("--platform", "linux/riscv64", "--dest-namespace", "there", ref), 3, "linux/riscv64", "linux/arm64")
        # The rest may follow.
        self.copied("--to-root", self.other.root, ref)
        self.assertEqual(self.has(self.other), set(self.images))

    def test_a_layer_that_is_gone(self):
        ref = self.source(self.whole, "--platform", "linux/amd64", "--platform", "linux/arm64")
        lost = self.images["amd64"].layers[0]["digest"]
        self.lade.ok("content", "rm", lost)
        for where in (("--dest-namespace", "there"), ("--to-root", self.other.root)):
            self.fails(self.copy(*where, ref), 5, "linux/amd64", lost, "--skip-missing")
            self.fails(self.copy("--platform", "linux/amd64", *where, ref), 5, "linux/amd64", lost)
        self.copied("--skip-missing", "--dest-namespace", "there", ref)
        self.assertEqual(self.has(self.lade, "-n", "there"), {"arm64"})
        for image in self.images.values():
            for layer in image.layers:
                self.lade.run("content", "rm", layer["digest"])
        self.fails(self.copy("--skip-missing", "--dest-namespace", "none", ref), 5, "linux/amd64", "linux/arm64")
        self.lade.ok("images", "rm", ref)

    def test_a_manifest_of_another_platform(self):
        ref = self.source(self.images["s390x"])
        result = self.copy("--platform", "linux/arm64", "--dest-namespace", "there", ref)
        self.assertEqual(result.code, 0, result.err)
        self.assertRegex(result.err, r"warning: image \S+ is for linux/s390x, not linux/arm64")
        self.assertEqual(self.has(self.lade, "-n", "there"), {"s390x"})


class Referring(Signed):
    def test_they_come_along_if_wished(self):
        self.pull()
        for where in (("--dest-namespace", "there"), ("--to-root", self.scratch / "other")):
            lade = Lade(where[1]) if where[0] == "--to-root" else self.lade
            there = ("-n", "there") if where[0] == "--dest-namespace" else ()
            with self.subTest(where):
                self.assertEqual(self.lade.json("images", "copy", *where, self.src, "bare")["referrers"], 0)
                labels = {key for row in lade.json(*there, "content", "ls") for key in row["labels"]}
                self.assertFalse([key for key in labels if ".referrer." in key])
                answer = self.lade.json("images", "copy", "--with-referrers", *where, self.src)
                self.assertEqual(answer["referrers"], len(self.all))
                lade.ok("gc")
                kept = {row["digest"] for row in lade.json(*there, "content", "ls")}
                for one in self.all:
                    self.assertLessEqual(set(one.blobs) | {one.root}, kept)
                listed = lade.json(*there, "images", "referrers", "--recursive", "--offline", self.src)["referrers"]
                self.assertEqual(sorted(one["digest"] for one in listed), sorted((self.sbom.root, self.of_sbom.root)))
                self.assertEqual(violations(lade.root), [])


class BetweenStores(Copying):
    def arrived(self, image=None, lade=None):
        for digest, data in (image or self.image).blobs.items():
            path = self.blob(lade or self.other, digest)
            self.assertEqual(path.read_bytes(), data)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o444)


class ToStore(BetweenStores):
    def test_it_is_made_and_complete(self):
        answer = self.copied("--to-root", self.other.root, self.ref)
        self.assertEqual((answer["root"], answer["namespace"]), (str(self.other.root), "default"))
        self.arrived()
        self.assertEqual(stat.S_IMODE(self.other.root.stat().st_mode), 0o700)
        self.assertEqual(self.labels(self.other), self.labels(self.lade))
        self.assertEqual(self.names(self.other), {self.ref: self.image.root})
        self.assertEqual([row["status"].split()[0] for row in self.other.json("images", "check")], ["complete"])
        again = self.copied("--to-root", self.other.root, "--dest-namespace", "there", self.ref, "new")
        self.assertEqual([again[how] for how in ("existed", "reflinked", "linked", "copied")], [4, 0, 0, 0])
        self.assertEqual(self.names(self.other, "-n", "there"), {"docker.io/library/new:latest": self.image.root})

    def test_a_store_by_another_path_is_the_same(self):
        os.symlink(self.lade.root, self.scratch / "again")
        answer = self.copied("--to-root", self.scratch / "again", "--dest-namespace", "there", self.ref)
        self.assertEqual((answer["existed"], answer["linked"], answer["copied"]), (4, 0, 0))
        self.fails(self.copy("--to-root", self.scratch / "again", self.ref), 2, "itself")

    def test_linked_where_that_can_be(self):
        answer = self.copied("--to-root", self.other.root, self.ref)
        if answer["reflinked"]:
            self.skipTest("reflinks come first")
        self.assertEqual((answer["linked"], answer["copied"]), (4, 0))
        digest = self.image.layers[1]["digest"]
        self.assertEqual(self.blob(self.lade, digest).stat().st_ino, self.blob(self.other, digest).stat().st_ino)
        # What the one throws away the other keeps.
        self.lade.ok("images", "rm", self.ref)
        self.assertFalse(self.blob(self.lade, digest).exists())
        self.arrived()

    def test_without_links_it_is_a_copy(self):
        answer = self.copied("--no-link", "--to-root", self.other.root, self.ref)
        if answer["reflinked"]:
            self.skipTest("reflinks come first")
        self.assertEqual((answer["linked"], answer["copied"]), (0, 4))
        digest = self.image.layers[1]["digest"]
        self.assertNotEqual(self.blob(self.lade, digest).stat().st_ino, self.blob(self.other, digest).stat().st_ino)
        self.arrived()

    def test_a_file_that_can_be_written_to_is_not_linked(self):
        digest = self.image.layers[1]["digest"]
        self.blob(self.lade, digest).chmod(0o644)
        answer = self.copied("--to-root", self.other.root, self.ref)
        if answer["reflinked"]:
            self.skipTest("reflinks come first")
        self.assertEqual((answer["linked"], answer["copied"]), (3, 1))
        self.arrived()

    def test_a_file_of_somebody_else_is_not_linked(self):
        need_root()
        digest = self.image.layers[1]["digest"]
        os.chown(self.blob(self.lade, digest), 12345, -1)
        answer = self.copied("--to-root", self.other.root, self.ref)
        if answer["reflinked"]:
            self.skipTest("reflinks come first")
        self.assertEqual((answer["linked"], answer["copied"]), (3, 1))
        self.assertEqual(self.blob(self.other, digest).stat().st_uid, 0)

    def test_shared_blocks_and_another_file_system(self):
        need_root()
        with kinds.btrfs(256) as place:
            one, two = Lade(place / "one"), Lade(place / "two")
            answer = self.copied("--to-root", one.root, self.ref)
            self.assertEqual((answer["reflinked"], answer["linked"], answer["copied"]), (0, 0, 4))
            self.arrived(lade=one)
            answer = self.copied("--to-root", two.root, self.ref, lade=one)
            self.assertEqual((answer["reflinked"], answer["linked"], answer["copied"]), (4, 0, 0))
            self.arrived(lade=two)
            digest = self.image.layers[1]["digest"]
            self.assertNotEqual(self.blob(one, digest).stat().st_ino, self.blob(two, digest).stat().st_ino)
            # A clone is hashed like anything else.
            self.damage(one, digest)
            three = Lade(place / "three")
            self.fails(self.copy("--to-root", three.root, self.ref, lade=one), 8, digest, str(one.root), "damaged")
            self.nothing_came(three)
            for lade in (two, three):
                lade.ok("gc")
                self.assertEqual(violations(lade.root), [])

    def damage(self, lade, digest):
        path = self.blob(lade, digest)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(0o444)

    def test_a_damaged_blob_does_not_pass(self):
        digest = self.image.layers[1]["digest"]
        good = self.blob(self.lade, digest).read_bytes()
        self.damage(self.lade, digest)
        for flags in ((), ("--no-link",)):
            self.fails(self.copy(*flags, "--to-root", self.other.root, self.ref), 8, self.ref, digest, str(self.lade.root), "damaged")
            self.nothing_came(self.other)
            self.assertFalse(self.blob(self.other, digest).exists())
        self.blob(self.lade, digest).unlink()
        self.fails(self.copy("--to-root", self.other.root, self.ref), 8, digest, "missing")
        path = self.blob(self.lade, digest)
        path.write_bytes(good)
        path.chmod(0o444)
        self.copied("--to-root", self.other.root, self.ref)
        self.arrived()

    def test_what_is_there_and_what_has_the_name(self):
        shared = Image([Layer().file("f", "text"), noise(1000)])
        registry = WritableRegistry()
        self.addCleanup(registry.stop)
        self.other.ok("images", "pull", "--no-unpack", "--progress", "none", registry.add(shared))
        self.other.ok("images", "tag", f"{registry.host}/image:latest", self.ref)
        self.fails(self.copy("--to-root", self.other.root, self.ref), 4, self.ref, shared.root, "--force")
        answer = self.copied("--force", "--to-root", self.other.root, self.ref)
        self.assertEqual(answer["existed"], len(set(shared.blobs) & set(self.image.blobs)))
        self.assertEqual(self.names(self.other)[self.ref], self.image.root)

    def test_the_store_of_somebody_else_is_left_alone(self):
        need_root()
        self.other.ok("namespaces", "create", "theirs")
        os.chown(self.other.root / "meta.db", 12345, -1)
        self.fails(self.copy("--to-root", self.other.root, self.ref), 5, str(self.other.root), "12345")
        os.chown(self.other.root / "meta.db", 0, -1)

    def test_there_is_no_store(self):
        nowhere = Lade(self.scratch / "nowhere")
        self.fails(self.copy("--to-root", self.other.root, self.ref, lade=nowhere), 3, str(nowhere.root))
        self.fails(self.copy("--to-root", self.other.root, "nothing"), 3, "nothing")
        self.assertFalse(self.other.root.exists())
        (self.scratch / "file").write_text("")
        self.fails(self.copy("--to-root", self.scratch / "file", self.ref), 5, "file")

    def test_a_source_that_nobody_can_write_to(self):
        need_root()
        point = self.scratch / "medium"
        point.mkdir()
        try:
            subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            self.skipTest(str(error.stderr))
        self.addCleanup(subprocess.run, ["umount", point], check=True)
        self.copied("--to-root", point / "store", self.ref)
        subprocess.run(["mount", "-o", "remount,ro", point], check=True)
        answer = self.copied("--to-root", self.other.root, self.ref, lade=Lade(point / "store"))
        self.assertEqual(answer["copied"], 4)
        self.arrived()
        self.fails(self.copy("--to-root", point / "store", self.ref, "new"), 7, "read-only")

    def test_a_target_that_is_full(self):
        need_root()
        point = self.scratch / "medium"
        point.mkdir()
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", point], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            self.skipTest(str(error.stderr))
        self.addCleanup(subprocess.run, ["umount", point], check=True)
        ref = self.source(Image([noise(4 * MIB)]))
        there = Lade(point / "store")
        self.fails(self.copy("--to-root", there.root, ref), 9, ref, "No space left")
        self.nothing_came(there)
        self.copied("--to-root", there.root, self.ref)
        there.ok("gc")
        self.assertEqual(violations(there.root), [])


class Together(BetweenStores):
    """Several processes, and ones that are killed."""

    def test_many_at_once(self):
        running = [self.lade.start("images", "copy", "--progress", "none", "--no-link", "--json", "--to-root", self.other.root, self.ref, f"name:{i}") for i in range(4)]
        ends = [one.communicate() for one in running]
        self.assertEqual([one.returncode for one in running], [0] * 4, ends)
        self.assertEqual(len(self.names(self.other)), 4)
        self.arrived()

    def test_there_and_back_at_once(self):
        back = Image([Layer().file("f", "back"), noise(300_000)])
        registry = WritableRegistry()
        self.addCleanup(registry.stop)
        ref = registry.add(back)
        self.other.ok("images", "pull", "--no-unpack", "--progress", "none", ref)
        running = [self.lade.start("images", "copy", "--progress", "none", "--no-link", "--to-root", self.other.root, self.ref, f"there:{i}") for i in range(2)]
        running += [self.other.start("images", "copy", "--progress", "none", "--no-link", "--to-root", self.lade.root, ref, f"back:{i}") for i in range(2)]
        ends = [one.communicate() for one in running]
        self.assertEqual([one.returncode for one in running], [0] * 4, ends)
        self.arrived()
        self.arrived(back, self.lade)

    def held(self, digest):
        """The lock of an ingest in the other store, as another process would have it."""
        kind = "config" if digest == self.image.config["digest"] else "layer"
        name = hashlib.sha256(f"default/{kind}-{digest}".encode()).hexdigest()
        folder = self.other.root / "content/ingest" / name
        folder.mkdir(parents=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return handle

    def waiting(self, *flags):
        """A copy that waits for such a lock, and says so, and for whom."""
        self.other.ok("namespaces", "create", "there")
        handle = self.held(self.image.layers[1]["digest"])
        process = self.lade.start("images", "copy", *flags, "--to-root", self.other.root, self.ref)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "waiting for" in line:
                break
        return process, handle, lines

    def test_what_is_removed_meanwhile_comes_all_the_same(self):
        for flags in ((), ("--no-link",)):
            process, handle, lines = self.waiting(*flags)
            self.lade.ok("images", "rm", self.ref)
            self.lade.ok("gc")
            self.assertEqual(self.lade.json("content", "ls"), [])
            os.close(handle)
            _, said = process.communicate()
            self.assertEqual(process.returncode, 0, (lines, said))
            self.assertEqual(self.names(self.other), {self.ref: self.image.root})
            self.arrived()
            self.copied("--to-root", self.lade.root, self.ref, lade=self.other)
            self.other.ok("images", "rm", self.ref)
            self.other.ok("namespaces", "rm", "there")

    def test_a_signal_leaves_nothing_half(self):
        process, handle, lines = self.waiting("--no-link")
        process.send_signal(signal.SIGINT)
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGINT, lines)
        os.close(handle)
        self.other.ok("gc")
        self.assertEqual((self.other.json("images", "ls"), self.other.json("content", "ls"), self.other.ingests()), ([], [], []))

    def test_killed_at_every_named_point(self):
        if b"LADE_FAULT" not in BINARY.read_bytes():
            self.skipTest("the program was built without -Dfaults=true")
        texts = "".join(path.read_text() for path in SOURCES.rglob("*.cpp"))
        points = sorted(set(re.findall(r'fault::point\("((?:ingest|copy)\.[^"]+)"\)', texts)))
        reached = set()
        ways = [(self.lade, self.scratch / "killed", ()), (self.lade, self.scratch / "killed", ("--no-link",))]
        if os.geteuid() == 0:
            place = kinds.btrfs(512)
            on_btrfs = place.__enter__()
            self.addCleanup(place.__exit__, None, None, None)
            shared = Lade(on_btrfs / "store")
            self.copied("--to-root", shared.root, self.ref)
            ways.append((shared, on_btrfs / "killed", ()))
        for lade, base, flags in ways:
            for point in points:
                with self.subTest(point=point, flags=flags, base=base):
                    there = Lade(Path(f"{base}-{point}-{len(flags)}"))
                    killed = self.copy(*flags, "--to-root", there.root, self.ref, lade=lade, env={"LADE_FAULT": point})
                    if killed.code != -signal.SIGKILL:
                        self.assertEqual(killed.code, 0, killed.err)
                        continue
                    reached.add(point)
                    self.assertEqual(there.json("images", "ls"), [])
                    for one in (lade, there):
                        self.assertEqual(violations(one.root, collected=False), [])
                    self.assertEqual(self.copy(*flags, "--to-root", there.root, self.ref, lade=lade).code, 0)
                    self.arrived(lade=there)
                    there.ok("gc")
                    self.assertEqual((violations(there.root), violations(lade.root)), ([], []))
                    # And a collection alone: what is half goes, the source's file stays what it is.
                    there = Lade(Path(f"{base}-{point}-{len(flags)}-alone"))
                    self.copy(*flags, "--to-root", there.root, self.ref, lade=lade, env={"LADE_FAULT": point})
                    there.ok("gc")
                    self.assertEqual((violations(there.root), there.json("content", "ls")), ([], []))
                    self.arrived(lade=lade)
        if os.geteuid() == 0:
            self.assertEqual(sorted(reached), points, "points that nothing here comes by")

