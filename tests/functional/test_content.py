"""The group `content`: listings and their filters, ranges, labels, digests by their start, fetching."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import unittest

from support.broken import RegistryCase, basic
from support.images import OCI, Image, Layer, digest, index_of
from support.program import TIMEOUT, need_root, need_tools
from support.registry import StockRegistry

BIG = 9 * 1024 * 1024  # more than what is verified before it is written


def noise(size, seed):
    """Bytes that are the same in every run."""
    return hashlib.shake_128(seed.encode()).digest(size)


def with_same_start(count):
    """Two texts whose digests begin with the same `count` hex digits."""
    seen = {}
    for i in range(1 << 20):
        text = f"text {i}".encode()
        start = digest(text)[: len("sha256:") + count]
        if start in seen:
            return seen[start], text
        seen[start] = text
    raise AssertionError("no two digests begin alike")


def image_of(blobs, **more):
    """An image whose layers are these bytes, whatever they are: nobody unpacks it."""
    descriptors = [{"mediaType": OCI + "layer.v1.tar+gzip", "digest": digest(b), "size": len(b)} for b in blobs]
    image = Image([], change=lambda _, layers: layers.extend(descriptors), **more)
    image.blobs.update({digest(b): b for b in blobs})
    return image


class Content(RegistryCase):
    def raw(self, *args, **env):
        """Exit code, bytes on stdout, text on stderr."""
        done = subprocess.run(self.lade.command(*args), env={**self.lade.env, **env}, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        return done.returncode, done.stdout, done.stderr.decode()

    def digests(self, *args):
        return self.lade.ok("content", "ls", "-q", *args).out.split()

    def fetched(self):
        """The digests that were asked for since requests were last forgotten."""
        return {path.rsplit("/", 1)[1] for method, path, _ in self.registry.requests if method == "GET"}


class OfAStore(Content):
    def setUp(self):
        super().setUp()
        self.twins = with_same_start(4)
        self.big = noise(5000, "big")
        self.image = image_of([*self.twins, self.big])
        self.ref = self.registry.add(self.image)
        self.lade.ok("content", "fetch", self.ref)

    def test_ls_shows_what_filters_say(self):
        everything = sorted([*self.image.blobs, *self.image.documents])
        self.assertEqual(self.digests(), everything)
        self.assertEqual([row["digest"] for row in self.lade.json("content", "list")], everything)
        big = digest(self.big)
        self.assertEqual(self.digests(f"digest=={big}"), [big])
        self.assertEqual(self.digests("size==5000"), [big])
        self.assertEqual(self.digests("size>4.9kB"), [big])
        self.assertEqual(self.digests("size>=5000,size<5001"), [big])
        self.assertEqual(self.digests("size>1MB"), [])
        self.assertEqual(self.digests("created<1h"), [])
        self.assertEqual(self.digests("updated>1h"), everything)
        self.assertEqual(self.digests("created>2020-01-01T00:00:00Z", "size==5000"), everything)
        self.assertEqual(self.digests('labels."containerd.io/gc.ref.content.config"'), [self.image.root])
        self.assertEqual(self.digests(f"digest=={big}", f"digest=={self.image.root}"), sorted([big, self.image.root]))
        self.assertEqual(self.digests(f"digest~=^sha256:{big[7:19]}"), [big])
        table = self.lade.ok("content", "ls", "size==5000").out.splitlines()
        self.assertEqual(table[0].split(), ["DIGEST", "SIZE", "AGE", "LABELS"])
        self.assertEqual(table[1].split()[:2], [big, "5kB"])
        self.assertEqual(len(table), 2)

    def test_filters_that_cannot_be_read_say_where(self):
        self.fails(self.lade.run("content", "ls", "size>x"), 2, "[size> >|x|< ]", "10MB")
        self.fails(self.lade.run("content", "ls", "size>1", "digest==foo,"), 2, "[digest==foo,]", "expected field")
        self.fails(self.lade.run("content", "ls", "digest>1"), 2, "neither a number nor a time")
        self.fails(self.lade.run("content", "active", "labels.ns/key==v"), 2, ">|/|<")
        self.fails(self.lade.run("content", "active", "offset<total"), 2, "[offset< >|t|< otal]")
        odd = self.lade.ok("content", "ls", "-q", "digest~=(")
        self.assertEqual(odd.out, "")
        self.assertIn("warning", odd.err)

    def test_active_shows_what_filters_say(self):
        torn = noise(100_000, "torn")
        ref = self.registry.add(image_of([torn]), "torn")
        self.registry.fault = lambda handler, path: digest(torn) in path and self.registry.send(handler, torn, cut=1000)
        self.fails(self.lade.run("content", "fetch", "--progress", "none", "--retries", "0", ref), 6, digest(torn))
        name = f"layer-{digest(torn)}"
        (row,) = self.lade.json("content", "active")
        self.assertEqual((row["ref"], row["offset"], row["total"]), (name, 1000, 100_000))
        for one in (f"ref=={name}", "ref~=^layer-", "offset>0", "offset==1kB", "total==100000", "total>=100kB", "started>1h", "updated>1h,total"):
            with self.subTest(one):
                self.assertEqual([row["ref"] for row in self.lade.json("content", "active", one)], [name])
        for one in ("ref==other", "offset>1000", "total!=100000", "started<1h", "labels.x"):
            self.assertEqual(self.lade.json("content", "active", one), [], one)
        table = self.lade.ok("content", "active", "-t", "1s", "ref~=layer").out.splitlines()
        self.assertEqual([line.split()[:2] for line in table], [["REF", "SIZE"], [name, "1kB"]])

    def test_get_in_ranges(self):
        big = digest(self.big)
        for flags, want in (
            ((), self.big),
            (("--offset", "0"), self.big),
            (("--offset", "4999"), self.big[4999:]),
            (("--offset", "1KiB", "--length", "10"), self.big[1024:1034]),
            (("--length", "1kB"), self.big[:1000]),
            (("--length", "0"), b""),
            (("--offset", "4990", "--length", "1GB"), self.big[4990:]),
            (("--offset", "5000"), b""),
        ):
            with self.subTest(flags):
                self.assertEqual(self.raw("content", "get", big, *flags), (0, want, ""))
        self.fails(self.lade.run("content", "get", big, "--offset", "5001"), 2, "5001", "5000 bytes", big)
        for flag in ("--offset", "--length"):
            for value in ("-1", "x", "1.5.1", "99999999999999999999"):
                self.fails(self.lade.run("content", "get", big, f"{flag}={value}"), 2, flag, value)

    def test_get_into_a_pipe(self):
        out = subprocess.run(["sh", "-c", '"$0" content get "$1" | wc -c', self.lade.command()[0], digest(self.big)], env=self.lade.env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
        self.assertEqual(out.strip(), "5000")
        # Whoever reads no further is not waited for.
        wide = self.registry.add(image_of([noise(BIG, "wide")]), "wide")
        self.lade.ok("content", "fetch", wide)
        process = subprocess.Popen(self.lade.command("content", "get", digest(noise(BIG, "wide"))), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.read(10)
        process.stdout.close()
        process.stderr.read()
        process.stderr.close()
        self.assertNotEqual(process.wait(timeout=TIMEOUT), 0)

    def test_label(self):
        big = digest(self.big)

        def labels():
            (row,) = self.lade.json("content", "ls", f"digest=={big}")
            return {k: v for k, v in row["labels"].items() if not k.startswith("containerd.io/")}

        source = self.lade.ok("content", "label", big).out
        self.assertRegex(source, r"^containerd.io/distribution.source.127.0.0.1=image\n$")
        self.assertEqual(self.lade.ok("content", "label", big, "b=2", "a=1", "flag").out, f"a=1,b=2,{source.strip()},flag=true\n")
        self.assertEqual(labels(), {"a": "1", "b": "2", "flag": "true"})
        told = self.lade.json("content", "label", big, "a=", "b=3=3")
        self.assertEqual(told["digest"], big)
        self.assertEqual(labels(), {"b": "3=3", "flag": "true"})
        self.assertEqual({k: v for k, v in told["labels"].items() if "/" not in k}, labels())
        self.assertEqual(self.lade.json("content", "label", big)["labels"], told["labels"])
        # Removing what is not there, and the last one.
        self.assertEqual(self.lade.ok("content", "label", big, "b=", "flag=", "never=", "containerd.io/distribution.source.127.0.0.1=").out, "\n")
        self.fails(self.lade.run("content", "label", big, "=x"), 2, "=x")
        self.fails(self.lade.run("content", "label", big, "k=" + "v" * 4096), 2, "4097")
        self.fails(self.lade.run("content", "label", digest(b"none"), "a=1"), 3, digest(b"none"))
        self.fails(self.lade.run("content", "label", digest(b"none")), 3, digest(b"none"))
        self.fails(self.lade.run("content", "label"), 2)
        self.assertEqual(labels(), {})

    def test_a_label_of_one_namespace_is_none_of_another(self):
        big = digest(self.big)
        self.lade.ok("-n", "other", "content", "fetch", self.ref)
        self.lade.ok("-n", "other", "content", "label", big, "mine=1")
        self.assertEqual(self.digests("labels.mine"), [])
        self.assertEqual(self.digests("labels.mine", "-n", "other"), [big])

    def test_the_start_of_a_digest_names_the_blob(self):
        big, one, other = digest(self.big), *map(digest, self.twins)
        for start in (big, big[:14], big[7:20], big[7:11], big[7:]):
            with self.subTest(start):
                self.assertEqual(self.raw("content", "get", start)[1], self.big)
                self.assertEqual(self.lade.json("content", "label", start)["digest"], big)
                self.assertEqual(self.lade.json("content", "why", start)["key"], big)
        for start in (one[:11], one[7:11]):
            for args in (["get", start], ["label", start, "a=1"], ["rm", start]):
                with self.subTest(args):
                    self.fails(self.lade.run("content", *args), 2, "ambiguous", one, other)
        self.assertEqual(self.digests("labels.a"), [])
        self.fails(self.lade.run("content", "get", big[7:10]), 2, big[7:10])
        for bad in ("x", "", "sha256:", "sha256:12", "sha256:xyzw", "12345g", "*", "sha256:*", big.upper()):
            self.assertEqual(self.lade.run("content", "get", bad).code, 2, bad)
        self.assertEqual(self.lade.run("content", "get", "md5:12345678").code, 1)
        absent = next(f"{i:05x}" for i in range(1 << 20) if not any(d[7:].startswith(f"{i:05x}") for d in self.digests()))
        self.fails(self.lade.run("content", "get", absent), 3, absent)
        self.fails(self.lade.run("content", "get", f"sha512:{big[7:20]}"), 3, "sha512")
        self.fails(self.lade.run("-n", "other", "content", "get", big[7:20]), 3, big[7:20])

    def test_many_candidates_are_not_all_listed(self):
        # Rows are enough for this: nobody reads the files.
        with sqlite3.connect(self.lade.root / "meta.db") as database:
            for i in range(30):
                name = "sha256:abcdef" + f"{i:058x}"
                database.execute("INSERT INTO blobs (digest, size) VALUES (?, 1)", (name,))
                database.execute("INSERT INTO content (namespace, digest, created, updated) VALUES ('default', ?, 0, 0)", (name,))
        database.close()
        result = self.lade.run("content", "get", "abcdef")
        self.fails(result, 2, "ambiguous", "sha256:abcdef" + f"{0:058x}", "and more")
        self.assertEqual(result.err.count("sha256:abcdef"), 10)

    def test_rm_by_the_start_of_digests(self):
        big, config = digest(self.big), self.image.config["digest"]
        result = self.lade.run("content", "rm", big[7:20], "beef" * 8, config, digest(b"none"), "??")
        self.assertEqual((result.code, result.out), (3, f"{big}\n{config}\n"))
        self.assertIn("beef", result.err)
        self.assertIn("??", result.err)
        self.assertEqual(set(self.digests()), {self.image.root, *map(digest, self.twins)})


class Pruning(Content):
    def setUp(self):
        super().setUp()
        need_root()
        self.image = Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")])
        self.ref = self.registry.add(self.image)
        self.lade.ok("images", "pull", self.ref)
        self.layers = {layer["digest"] for layer in self.image.layers}

    def state(self):
        return {kind: self.lade.json(kind, "ls") for kind in ("content", "images", "snapshots", "leases")}

    def test_layers_go_and_snapshots_stay(self):
        # The older form: 0 is the config.
        old = [f"containerd.io/gc.ref.content.{i}={d}" for i, d in enumerate([self.image.config["digest"], *self.layers])]
        config = self.image.config["digest"]
        self.lade.ok("content", "label", config, *old, "containerd.io/gc.ref.content.1x=" + config, "containerd.io/gc.ref.content.m.0=" + config)
        self.lade.ok("-n", "other", "content", "fetch", self.ref)
        snapshots = self.lade.json("snapshots", "ls")
        self.assertEqual(self.lade.ok("content", "prune", "references").out.split(), sorted([self.image.root, config]))
        self.assertEqual(set(self.digests()), {self.image.root, config})
        self.assertEqual(self.lade.json("snapshots", "ls"), snapshots)
        rows = {row["digest"]: row["labels"] for row in self.lade.json("content", "ls")}
        self.assertIn("containerd.io/gc.ref.content.config", rows[self.image.root])
        self.assertFalse([key for key in rows[self.image.root] if ".l." in key])
        kept = {key.removeprefix("containerd.io/gc.ref.content.") for key in rows[config] if ".content." in key}
        self.assertEqual(kept, {"0", "1x", "m.0"})
        # Another namespace has its own labels.
        self.assertEqual(len(self.digests("-n", "other")), 4)
        self.assertEqual(self.lade.ok("content", "prune", "references").out, "")
        # A pull finds the snapshots, and needs no layer.
        self.registry.requests.clear()
        self.lade.ok("images", "pull", self.ref)
        self.assertEqual(self.fetched(), set())

    def test_files_of_layers_go(self):
        self.lade.ok("content", "prune", "references", "--async")
        left = {f"sha256:{name}" for name in os.listdir(self.lade.root / "content/blobs/sha256")}
        self.assertEqual(left, {self.image.root, self.image.config["digest"]})

    def test_dry_changes_nothing_at_all(self):
        # Garbage that any collection would take.
        other = self.registry.add(image_of([b"other"]), "other")
        self.lade.ok("content", "fetch", other)
        self.lade.ok("images", "rm", "--no-gc", other)
        before = self.state()
        told = self.lade.json("content", "prune", "references", "--dry")
        self.assertEqual([one["digest"] for one in told], [row["digest"] for row in before["content"] if any(".l." in k for k in row["labels"])])
        for one in told:
            self.assertTrue(all(key.startswith("containerd.io/gc.ref.content.l.") for key in one["removed"]), one)
        self.assertEqual(self.lade.ok("content", "prune", "references", "--dry").out.split(), [one["digest"] for one in told])
        self.assertEqual(self.state(), before)
        self.assertEqual(self.lade.json("content", "prune", "references"), told)
        self.assertEqual(set(self.digests()), {self.image.root, self.image.config["digest"]})

    def test_no_gc_leaves_the_layers_to_a_later_one(self):
        self.lade.ok("content", "prune", "references", "--no-gc")
        self.assertTrue(self.layers < set(self.digests()))
        self.lade.ok("gc")
        self.assertFalse(self.layers & set(self.digests()))

    def test_where_there_is_no_store(self):
        typo = self.scratch / "typo"
        self.fails(self.lade.run("--root", typo, "content", "label", "xyz", "a=1"), 2, "xyz")
        self.fails(self.lade.run("--root", typo, "content", "label", "abcd", "a=1"), 3, str(typo))
        self.assertEqual(self.lade.json("--root", typo, "content", "prune", "references"), [])
        self.assertEqual(self.lade.ok("--root", typo, "content", "prune", "references", "--dry").out, "")
        self.assertFalse(typo.exists())
        self.assertIn("references", self.lade.ok("content", "prune").out)


class Fetching(Content):
    """Documents and layers of an index for three platforms."""

    def setUp(self):
        super().setUp()
        kinds = (("amd64", None), ("arm64", None), ("arm", "v7"))
        self.images = [image_of([f"layer of {a}".encode()], architecture=a, variant=v) for a, v in kinds]
        self.index = index_of(self.images)
        self.ref = self.registry.add(self.index)

    def documents(self, *numbers):
        return {d for i in numbers for d in (self.images[i].root, self.images[i].config["digest"])} | {self.index.root}

    def layers(self, *numbers):
        return {layer["digest"] for i in numbers for layer in self.images[i].layers}

    def has(self, *args):
        """What the store has after a fetch with these flags, by one name."""
        self.lade.ok("content", "fetch", *args, self.ref)
        return set(self.digests())

    def test_a_platform(self):
        self.assertEqual(self.has("--platform", "linux/arm64"), self.documents(1) | self.layers(1))
        self.assertEqual(self.has("--platform", "linux/amd64", "--platform", "linux/arm/v7"), self.documents(0, 1, 2) | self.layers(0, 1, 2))
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assertEqual(self.lade.ok("images", "ls", "-q").out, self.ref + "\n")

    def test_all_platforms(self):
        self.assertEqual(self.has("--all-platforms"), self.documents(0, 1, 2) | self.layers(0, 1, 2))
        self.fails(self.lade.run("content", "fetch", "--all-platforms", "--platform", "arm64", self.ref), 2, "--platform")

    def test_metadata(self):
        arm = ("--platform", "linux/arm64")
        self.assertEqual(self.has(*arm, "--metadata-only"), self.documents(1))
        self.assertEqual(self.has(*arm, "--skip-metadata", "--metadata-only"), self.documents(1))
        self.assertEqual(self.has(*arm, "--all-metadata", "--metadata-only"), self.documents(0, 1, 2))
        self.assertEqual(self.has(*arm, "--all-metadata"), self.documents(0, 1, 2) | self.layers(1))
        self.fails(self.lade.run("content", "fetch", "--all-metadata", "--skip-metadata", self.ref), 2, "--all-metadata")
        self.registry.requests.clear()
        self.has(*arm, "--all-metadata")
        self.assertEqual(self.fetched(), set())
        self.lade.ok("content", "fetch", "--all-platforms", "--metadata-only", "-n", "other", self.ref)
        self.assertEqual(set(self.digests("-n", "other")), self.documents(0, 1, 2))

    def test_pull_takes_the_same_flags(self):
        arm = ("--platform", "linux/arm64", "--no-unpack")
        self.lade.ok("images", "pull", *arm, "--skip-metadata", self.ref)
        self.assertEqual(set(self.digests()), self.documents(1) | self.layers(1))
        self.lade.ok("images", "pull", *arm, "--all-metadata", self.ref)
        self.assertEqual(set(self.digests()), self.documents(0, 1, 2) | self.layers(1))

    def test_what_it_prints(self):
        told = self.lade.json("content", "fetch", "--label", "a=1", "--label", "b", "--platform", "arm64", self.ref)
        self.assertEqual((told["name"], told["target"]["digest"], told["chain_ids"]), (self.ref, self.index.root, []))
        self.assertEqual(self.lade.json("images", "ls")[0]["labels"], {"a": "1", "b": "true"})
        self.assertEqual(self.lade.ok("content", "fetch", "-q", "--platform", "arm64", self.ref).out, self.ref + "\n")
        plain = self.lade.ok("content", "fetch", "--progress", "plain", "--platform", "arm64", "-n", "new", self.ref)
        self.assertEqual(plain.out, "")
        self.assertIn(f"fetched {self.ref} {self.index.root}", plain.err)
        lines = self.lade.ok("content", "fetch", "--progress", "json", "--platform", "arm64", "-n", "newer", self.ref).err.splitlines()
        self.assertTrue(lines and all(isinstance(json.loads(line), dict) for line in lines))

    def test_wrong_uses(self):
        store = self.scratch / "none"
        for args in (["--label", "=x", self.ref], ["--progress", "loud", self.ref], ["--platform", "a/b/c/d", self.ref], ["BAD"], ["--max-concurrent-downloads", "0", self.ref], []):
            self.assertEqual(self.lade.run("--root", store, "content", "fetch", *args).code, 2, args)
        self.assertFalse(store.exists())
        self.assertEqual(self.registry.requests, [])
        self.fails(self.lade.run("content", "fetch", "--platform", "linux/s390x", self.ref), 3, "s390x", "linux/arm64")
        self.fails(self.lade.run("content", "fetch", "--progress", "none", f"{self.registry.host}/image:none"), 3, "none")

    def test_a_lease_holds_what_is_fetched(self):
        self.lade.ok("leases", "create", "--id", "mine")
        self.lade.ok("--lease", "mine", "content", "fetch", "--platform", "arm64", self.ref)
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(set(self.digests()), self.documents(1) | self.layers(1))
        self.lade.ok("leases", "rm", "mine")
        self.lade.ok("gc")
        self.assertEqual(self.digests(), [])
        self.fails(self.lade.run("content", "fetch", "--progress", "none", "--lease", "never", self.ref), 3, "never")

    def test_an_artifact_comes_with_its_config(self):
        image = image_of([b"chart"])
        config = image.blob(b'{"name": "chart"}', "application/vnd.cncf.helm.config.v1+json")
        image.root = image.document({**image.manifest, "config": config}, OCI + "manifest.v1+json")
        ref = self.registry.add(image, "chart")
        self.lade.ok("content", "fetch", ref)
        self.assertEqual(set(self.digests()), {image.root, config["digest"], digest(b"chart")})

    def test_from_a_stock_registry(self):
        need_tools("skopeo")
        stock = StockRegistry().start()
        self.addCleanup(stock.stop)
        image = Image([Layer().file("a", noise(BIG, "a")), Layer().file("b", "b")])
        ref = stock.push(image.write_layout(self.scratch / "layout"), "t", "team/app:1")
        big, small = (layer["digest"] for layer in image.layers)
        everything = {image.root, image.config["digest"], big, small}
        # Straight to the output, while there is no store.
        manifest = image.documents[image.root][1]
        self.assertEqual(self.raw("content", "fetch-object", ref), (0, manifest, ""))
        for name, want in ((image.root, manifest), (small, image.blobs[small]), (big, image.blobs[big])):
            self.assertEqual(self.raw("content", "fetch-object", f"{stock.host}/team/app@{name}"), (0, want, ""), name)
        out = self.raw("content", "fetch-blob", ref, small, image.root, big)
        self.assertEqual(out, (0, image.blobs[small] + manifest + image.blobs[big], ""))
        self.fails(self.lade.run("content", "fetch-object", f"{stock.host}/team/app:none"), 3, "none")
        self.fails(self.lade.run("content", "fetch-blob", ref, digest(b"none")), 3, digest(b"none"))
        self.assertFalse(self.lade.root.exists())
        self.lade.ok("content", "fetch", ref)
        self.assertEqual(set(self.digests()), everything)


class WithoutAStore(Content):
    """fetch-object and fetch-blob against a registry that misbehaves."""

    def setUp(self):
        super().setUp()
        self.small, self.big = noise(1000, "small"), noise(BIG, "big")
        self.image = image_of([self.small, self.big])
        self.ref = self.registry.add(self.image)
        self.addCleanup(lambda: self.assertFalse(self.lade.root.exists()))

    def named(self, name):
        return f"{self.registry.host}/image@{name}"

    def spoil(self, data):
        """Serves other bytes of the same size."""
        self.registry.blobs[digest(data)] = b"!" + data[1:]

    def test_objects(self):
        manifest = self.image.documents[self.image.root][1]
        self.assertEqual(self.raw("content", "fetch-object", self.ref), (0, manifest, ""))
        self.assertEqual(self.raw("content", "fetch-object", self.ref, "ignored", "as ctr does"), (0, manifest, ""))
        self.assertEqual(self.raw("content", "fetch-object", self.named(self.image.root)), (0, manifest, ""))
        self.assertEqual(self.raw("content", "fetch-object", self.named(digest(self.small))), (0, self.small, ""))
        self.assertEqual(self.raw("content", "fetch-object", self.named(digest(self.big))), (0, self.big, ""))
        for args, code in ((["BAD"], 2), ([], 2), ([self.ref + "x"], 3)):
            self.assertEqual(self.lade.run("content", "fetch-object", *args).code, code, args)

    def test_blobs(self):
        small, big = digest(self.small), digest(self.big)
        self.assertEqual(self.raw("content", "fetch-blob", self.ref, small, big, small), (0, self.small + self.big + self.small, ""))
        self.assertEqual(self.registry.count("GET", "/manifests/"), 0)
        manifest = self.image.documents[self.image.root][1]
        self.assertEqual(self.raw("content", "fetch-blob", self.ref, self.image.root), (0, manifest, ""))
        self.registry.requests.clear()
        self.assertEqual(self.raw("content", "fetch-blob", self.ref, self.image.root, "--media-type", OCI + "manifest.v1+json"), (0, manifest, ""))
        self.assertEqual(self.registry.count("", "/blobs/"), 0)
        self.registry.requests.clear()
        self.assertEqual(self.raw("content", "fetch-blob", "--media-type", "application/x-mine", self.ref, small)[1], self.small)
        (accept,) = [headers["Accept"] for method, _, headers in self.registry.requests if method == "GET"]
        self.assertEqual(accept, "application/x-mine, */*")
        # What is asked for as a manifest and is a blob is found all the same.
        self.assertEqual(self.raw("content", "fetch-blob", "--media-type", OCI + "manifest.v1+json", self.ref, small)[1], self.small)

    def test_a_registry_that_fails_over_a_blob_among_its_manifests(self):
        self.registry.fault = lambda handler, path: f"/manifests/{digest(self.small)}" in path and handler.error(500)
        self.assertEqual(self.raw("content", "fetch-object", self.named(digest(self.small))), (0, self.small, ""))
        self.assertEqual(self.registry.count("HEAD", "/manifests/"), 1)
        # Where it is a manifest after all it is asked again.
        failures = iter([True])
        self.registry.fault = lambda handler, path: "/manifests/" in path and next(failures, False) and handler.error(503)
        self.assertEqual(self.raw("content", "fetch-object", self.named(self.image.root))[1], self.image.documents[self.image.root][1])

    def test_an_empty_blob(self):
        self.registry.blobs[digest(b"")] = b""
        self.assertEqual(self.raw("content", "fetch-blob", self.ref, digest(b"")), (0, b"", ""))

    def test_the_first_failure_ends_it(self):
        small, big = digest(self.small), digest(self.big)
        code, out, err = self.raw("content", "fetch-blob", self.ref, small, digest(b"none"), big)
        self.assertEqual((code, out), (3, self.small))
        self.assertIn(digest(b"none"), err)
        self.assertEqual(self.registry.count("GET", big), 0)

    def test_wrong_uses(self):
        for args in ([], [self.ref], [self.ref, "x"], [self.ref, digest(b"a")[:20]], [self.ref, digest(self.small), "y"], ["BAD", digest(self.small)]):
            self.assertEqual(self.lade.run("content", "fetch-blob", *args).code, 2, args)
        self.assertEqual(self.registry.requests, [])

    def test_spoilt_bytes(self):
        self.spoil(self.small)
        self.spoil(self.big)
        for args in (["fetch-blob", self.ref, digest(self.small)], ["fetch-object", self.named(digest(self.small))]):
            code, out, err = self.raw("content", *args)
            self.assertEqual((code, out), (8, b""), err)
            self.assertIn(digest(self.small), err)
        for args in (["fetch-blob", self.ref, digest(self.big)], ["fetch-object", self.named(digest(self.big))]):
            code, out, err = self.raw("content", *args)
            self.assertEqual((code, len(out)), (8, len(self.big)), err)
            self.assertIn(digest(self.big), err)

    def test_a_break_in_the_middle_is_mended(self):
        cuts = iter([100_000, 3_000_000])

        def fault(handler, path):
            if handler.command == "GET" and digest(self.big) in path and (cut := next(cuts, None)):
                return self.registry.send(handler, self.big, cut=cut)
            return False

        self.registry.fault = fault
        self.assertEqual(self.raw("content", "fetch-blob", self.ref, digest(self.big)), (0, self.big, ""))
        self.assertEqual(self.registry.count("GET", digest(self.big)), 3)
        cuts = iter([100_000])
        code, out, _ = self.raw("content", "fetch-blob", "--retries", "0", self.ref, digest(self.big))
        self.assertEqual((code, out), (6, self.big[:100_000]))

    def test_a_registry_without_lengths_in_its_heads(self):
        def fault(handler, path):
            if handler.command == "HEAD" and "/blobs/" in path:
                return handler.answer(405)
            return False

        self.registry.fault = fault
        self.assertEqual(self.raw("content", "fetch-blob", self.ref, digest(self.small)), (0, self.small, ""))
        self.fails(self.lade.run("content", "fetch-blob", self.ref, digest(self.big)), 9, digest(self.big))

    def test_credentials(self):
        def fault(handler, path):
            if handler.headers.get("Authorization") != basic("me", "secret"):
                return handler.error(401, "UNAUTHORIZED", "who are you", {"WWW-Authenticate": 'Basic realm="x"'})
            return False

        self.registry.fault = fault
        for args in (["fetch-object", self.ref], ["fetch-blob", self.ref, digest(self.small)]):
            self.fails(self.lade.run("content", *args), 7)
            self.fails(self.lade.run("content", *args, "-u", "me:wrong"), 7)
            code, out, err = self.raw("content", *args, "--user", "me:secret")
            self.assertEqual(code, 0, err)
            self.assertTrue(out)

    def test_a_signal_stops_it(self):
        for asked in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(self.lade.command("content", "fetch-blob", self.ref, digest(self.big)), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            # It has begun, and then nobody reads.
            self.assertEqual(process.stdout.read(10), self.big[:10])
            process.send_signal(asked)
            self.assertEqual(process.wait(timeout=TIMEOUT), -asked)
            process.stdout.close()


if __name__ == "__main__":
    unittest.main()
