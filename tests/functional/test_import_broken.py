"""images import of archives that are cut, damaged, hostile, or made for somebody who has the rest."""

import bz2
import json
import lzma
import os
import signal
import tarfile
import time

from support.archives import blob_name, docker_entries, layout_entries, link, old_docker_entries, tar
from support.images import OCI, Image, Layer, artifact, bomb, bomb_image, compress, digest, index_of
from support.program import SANITIZED
from test_import import IMAGE_NAME, ImportCase

NOTHING = ([], [])


class Broken(ImportCase):
    def left(self):
        """The names, and the blobs that the next collection leaves."""
        if not self.lade.root.exists():
            return NOTHING
        self.check_store()
        self.lade.ok("gc")
        return self.names(), self.lade.json("content", "ls")

    def refused(self, entries, code, *words, raw=None):
        """By each of the two readers, with nothing left behind."""
        data = tar(entries) if raw is None else raw
        path = self.scratch / "broken.tar"
        path.write_bytes(data)
        before = self.left()
        self.fails(self.lade.run("images", "import", path), code, "import " + str(path), *words)
        done = self.stream(data)
        self.assertEqual(done.returncode, code, done.stderr)
        (line,) = [one for one in done.stderr.decode().splitlines() if one.startswith("lade: ")]
        for word in ("import standard input", *words):
            self.assertIn(word, line)
        self.assertEqual(self.left(), before)

    def hybrid(self):
        """As docker writes it since 25: a layout with a manifest.json that lists other documents."""
        image = Image([Layer().file("f", "text")], compression="plain")
        entries = dict(layout_entries({"a:1": image}))
        listed = {"Config": blob_name(image.config["digest"]), "RepoTags": ["a:1"], "Layers": [blob_name(one["digest"]) for one in image.layers]}
        return [*[one for one in entries.items() if one[0] != "oci-layout"], ("manifest.json", json.dumps([listed]).encode()), ("oci-layout", entries["oci-layout"])]

    def test_cut_anywhere(self):
        small = Image([Layer().file("f", "text")], kind="docker", compression="plain")
        docker = docker_entries([(small, ["a:1"])])
        for form, entries in enumerate((layout_entries({"a:1": small}), docker, self.hybrid())):
            data = tar(entries)
            whole = self.lade.json("images", "import", self.file(entries), "--no-unpack")
            for end in range(0, len(data) - 1023, 512):
                other = self.lade.__class__(self.scratch / f"store-{form}-{end}", SOURCE_DATE_EPOCH="1")
                (self.scratch / "cut.tar").write_bytes(data[:end])
                done = other.run("images", "import", "--no-unpack", self.scratch / "cut.tar")
                # The last entry of a layout may be whole although the end is not there.
                if done.code == 0:
                    self.assertGreater(end, len(data) - 2048)
                    self.assertIsNot(entries, docker)
                    self.assertIn("the archive has no end", done.err)
                    self.assertEqual([one["target"] for one in other.json("images", "ls")], [one["target"] for one in whole])
                    continue
                self.assertIn("cut short", done.err, end)
                self.assertEqual(done.code, 8, f"{end}: {done.err}")
                self.assertEqual(other.json("images", "ls"), [])
                self.assertEqual(other.ingests(), [])
                if end % 2048 == 0:
                    self.lade.root = other.root
                    self.lade.env = other.env
                    streamed = self.stream(data[:end], "--no-unpack")
                    self.assertEqual(streamed.returncode, 8, f"{end}: {streamed.stderr}")
                    self.assertEqual(self.left(), NOTHING)

        # What it lists in another form does not stand for it.
        data = tar(self.hybrid())
        self.refused([], 8, "no oci-layout is in it", "cut short", raw=data[: data.index(b"oci-layout\0")])

    def test_cut_while_compressed(self):
        for how in ("gzip", "zstd"):
            data = compress(tar(layout_entries({"a:1": self.image})), how)
            for end in (8, len(data) // 2, len(data) - 1):
                self.refused([], 8, how, raw=data[:end])

    def replaced(self, entries, name, data):
        return [(one, data if one == name else was) for one, was in entries]

    def test_other_bytes(self):
        entries = layout_entries({"a:1": self.image})
        for blob, text in ((self.image.layers[0]["digest"], None), (self.image.config["digest"], b" " * self.image.config["size"]), (self.image.root, None)):
            name = blob_name(blob)
            was = dict(entries)[name]
            spoilt = text or bytes([was[0] ^ 1]) + was[1:]
            self.refused(self.replaced(entries, name, spoilt), 8, name, digest(spoilt))
        # Unpacking stumbles over these before the digest is known.
        spoilt = os.urandom(self.image.layers[0]["size"])
        self.refused(self.replaced(entries, blob_name(self.image.layers[0]["digest"]), spoilt), 8, digest(spoilt))
        longer = dict(entries)[blob_name(self.image.root)] + b" "
        self.refused(self.replaced(entries, blob_name(self.image.root), longer), 8, self.image.root)

    def test_other_bytes_in_docker_archives(self):
        entries = docker_entries([(self.plain, ["a:1"])])
        name = self.plain.layers[0]["digest"].split(":")[1] + ".tar"
        spoilt = Layer().file("other", "x").bytes()
        self.refused(self.replaced(entries, name, spoilt), 8, name, digest(spoilt))
        config = self.plain.config["digest"].split(":")[1] + ".json"
        self.refused(self.replaced(entries, config, dict(entries)[config] + b" "), 8, config)
        self.refused([one for one in entries if one[0] != config], 2, config, "is not in the archive")
        self.refused([one for one in entries if one[0] != name], 3, self.plain.layers[0]["digest"], name)

    def test_what_is_missing_is_named(self):
        other = Image([Layer().file("o", "o"), Layer().file("p", "p")])
        images = {(IMAGE_NAME, "docker.io/library/a:1"): self.image, "docker.io/library/b:1": other}
        gone = (self.image.layers[1]["digest"], other.layers[0]["digest"], other.layers[1]["digest"])
        self.refused(layout_entries(images, leave_out=gone), 3, "3 blobs", *(f"layer {one} of image" for one in gone), "a:1", "b:1")
        self.refused(layout_entries(images, leave_out=(self.image.config["digest"],)), 3, "config " + self.image.config["digest"], "docker.io/library/a:1")
        self.refused(layout_entries(images, leave_out=(other.root,)), 3, "manifest " + other.root, "docker.io/library/b:1")
        both = index_of([self.image, Image([Layer().file("arm", "arm")], architecture="arm64")])
        gone = (self.image.config["digest"], self.image.layers[0]["digest"])
        path = self.file(layout_entries({"both:1": both}, leave_out=(*gone, *(one["digest"] for one in json.loads(both.documents[both.root][1])["manifests"][1:]))))
        self.fails(self.lade.run("images", "import", path), 3, "2 blobs", *gone)
        self.fails(self.lade.run("images", "import", path, "--all-platforms"), 3, "3 blobs", *gone)
        # Whoever has the rest needs no more.
        self.take(self.file(layout_entries({"base:1": self.image})))
        self.take(self.file(layout_entries({"a:2": self.image}, leave_out=[one for one in self.image.blobs]), "delta"))
        self.check_files("a:2")
        newer = Image([*[self.tar_of(layer) for layer in self.image.layers], Layer().file("more", "more")])
        delta = self.file(layout_entries({"newer:1": newer}, leave_out=list(self.image.blobs)), "newer")
        self.take(delta)
        self.check_files("newer:1")
        done = self.stream(delta.read_bytes())
        self.assertEqual(done.returncode, 0, done.stderr)

    def tar_of(self, layer):
        import gzip

        return gzip.decompress(self.image.blobs[layer["digest"]])

    def test_hostile_names(self):
        entries = layout_entries({"a:1": self.image})
        self.refused([("../out", b"x"), *entries], 2, "../out", "leads out")
        self.refused([("/etc/passwd", b"x"), *entries], 2, "/etc/passwd", "absolute")
        self.refused([("a/../../b", b"x"), *entries], 2, "leads out")
        self.refused([("l", link("../x")), *entries], 2, "link l", "leads out", "../x")
        self.refused([("l", link("/etc/passwd")), *entries], 2, "leads out", "/etc/passwd")
        self.refused([("a\x1b[2Jb/../..", b"x"), *entries], 2, "a\\x1b[2Jb")
        docker = dict(docker_entries([(self.plain, ["a:1"])]))
        layer = self.plain.layers[0]["digest"].split(":")[1] + ".tar"
        docker[layer] = link("b")
        self.refused([*docker.items(), ("b", link("c")), ("c", link(layer))], 2, layer, "in a circle")
        manifest = json.loads(docker["manifest.json"])
        manifest[0]["Config"] = "../../../../etc/passwd"
        self.refused([*docker.items(), ("manifest.json", b"")][:-2] + [("manifest.json", json.dumps(manifest).encode())], 2, "leads out")

    def test_directories_lead_nowhere_else(self):
        secret = self.scratch / "secret.json"
        secret.write_text('{"imageLayoutVersion":"1.0.0"}')
        folder = self.scratch / "layout"
        folder.mkdir()
        for target in (str(secret), "../secret.json"):
            (folder / "oci-layout").symlink_to(target)
            self.fails(self.lade.run("images", "import", folder), 2, "not an archive of images")
            (folder / "oci-layout").unlink()
        os.mkfifo(folder / "oci-layout")
        self.fails(self.lade.run("images", "import", folder), 2, "no regular file")
        (folder / "oci-layout").unlink()
        (folder / "oci-layout").symlink_to("oci-layout")
        self.fails(self.lade.run("images", "import", folder), 2, "in a circle")

    def test_twice(self):
        entries = layout_entries({"a:1": self.image})
        index = dict(entries)["index.json"]
        self.refused([*entries, ("index.json", index.replace(b"a:1", b"b:1"))], 2, "index.json", "twice")
        self.refused([*entries, ("./index.json", link("oci-layout"))], 2, "index.json", "twice")
        self.take(self.file([*entries, *entries]))
        self.assertEqual(self.stream(tar([*entries, *entries])).returncode, 0)
        self.refused([*entries, *((("x", b"%d" % (n // 9_999))) for n in range(10_000))], 2, "x", "twice")

    def test_too_much(self):
        self.refused([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", b" " * 9_000_000)], 9, "index.json")
        deep = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", b"[" * 1000)]
        self.refused(deep, 2, "index.json")

    def test_documents_that_are_wrong(self):
        entries = layout_entries({"a:1": self.image})
        self.refused(self.replaced(entries, "oci-layout", b'{"imageLayoutVersion":"9.0.0"}'), 1, "version 9.0.0")
        self.refused(self.replaced(entries, "oci-layout", b"no"), 2, "oci-layout")
        self.refused([one for one in entries if one[0] != "index.json"], 2, "without index.json")
        self.refused([one for one in entries if one[0] not in ("oci-layout", "index.json")], 2, "not an archive of images")
        self.refused(self.replaced(entries, "index.json", b'{"manifests":[],"layers":[]}'), 2, "ambiguous")
        self.refused(self.replaced(entries, "index.json", dict(entries)["index.json"].replace(b"a:1", b"A:B:C")), 2, "A:B:C")
        docker = docker_entries([(self.plain, ["a:1"])])
        for text in (b"{}", b"[1]", b'[{"Config":1}]', b'[{"Config":"x","Layers":[1]}]', b'[{"Config":"x","Config":"y"}]', b"[" * 100):
            self.refused(self.replaced(docker, "manifest.json", text), 2, "manifest.json")
        bad = json.loads(dict(docker)["manifest.json"])
        bad[0]["Layers"].pop()
        self.refused(self.replaced(docker, "manifest.json", json.dumps(bad).encode()), 2, "2 diff IDs for 1 layers")

    def test_old_docker_archives_that_are_wrong(self):
        entries = old_docker_entries(self.plain, "a", "1")
        first, second = [name for name, _ in entries if name.endswith("/json")]
        v1 = json.loads(dict(entries)[first])
        loop = json.dumps({**v1, "parent": second.split("/")[0]}).encode()
        self.refused(self.replaced(entries, first, loop), 2, "lies on itself")
        self.refused(self.replaced(entries, first, json.dumps({**v1, "parent": "../x"}).encode()), 2, "no layer ID")
        self.refused(self.replaced(entries, first, json.dumps({**v1, "id": second.split("/")[0]}).encode()), 2, "is of layer")
        self.refused([one for one in entries if one[0] != first], 3, first.split("/")[0], "is not in the archive")
        self.refused(self.replaced(entries, "repositories", b'{"a":{"1":"../../x"}}'), 2, "no layer ID")

    def test_a_layer_that_is_too_large(self):
        path = self.file(layout_entries({"a:1": Image([Layer().file("zeros", bytes(1_200_000))])}))
        self.fails(self.lade.run("images", "import", path, "--max-size", "1MB"), 9)
        self.assertEqual(self.left(), NOTHING)

    def test_a_stream_that_is_too_large(self):
        """What nobody knows the use of yet does not fill the disk, and does not stay."""
        entries = layout_entries({"a:1": self.image})
        junk = ("some/thing", os.urandom(200_000))
        done = self.stream(tar([junk, *entries]), "--max-size", "150KB")
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("some/thing: is 200000 bytes", done.stderr.decode())
        self.assertEqual(self.left(), NOTHING)
        # It counts in all, and by what is announced: no byte of it is waited for.
        parts = [("one", os.urandom(100_000)), ("two", os.urandom(100_000))]
        done = self.stream(tar([*parts, *entries]), "--max-size", "150KB")
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("two: is 100000 bytes", done.stderr.decode())
        endless = tarfile.TarInfo(blob_name("sha256:" + "0" * 64))
        endless.size = 1 << 36
        done = self.stream(tar(entries)[:-1024] + endless.tobuf(), "--max-size", "1GB")
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn(endless.name + ": is 68719476736 bytes", done.stderr.decode())
        # Without a limit that it meets all is well, and of no use to anybody afterwards.
        for data in (tar([junk, *entries]), compress(tar([junk, *entries]), "gzip")):
            done = self.stream(data)
            self.assertEqual(done.returncode, 0, done.stderr)
            kept = {one["digest"] for one in self.lade.json("content", "ls")}
            self.assertEqual(kept, {self.image.root, *self.image.blobs})
            self.lade.ok("images", "rm", *self.names())
        # What fails takes along what it had stored.
        done = self.stream(tar([junk, *[one for one in entries if one[0] != blob_name(self.image.config["digest"])]]))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(self.lade.json("content", "ls"), [])

    def exploding(self, data, *words):
        """A bomb that would be 10 GiB."""
        self.assertLess(len(data), 1 << 20)
        path = self.scratch / "bomb.tar"
        path.write_bytes(data)
        result, peak = self.lade.measured("images", "import", path)
        self.fails(result, 9, "import " + str(path), *words)
        if not SANITIZED:
            self.assertLess(peak, 64)
        self.assertEqual(self.left(), NOTHING)

    def test_memory_with_many_images(self):
        """Their documents are many times what may be in memory."""
        base = json.loads(self.image.documents[self.image.root][1])
        base["layers"] = base["layers"][:1] * 100
        config = json.dumps({**json.loads(self.image.blobs[self.image.config["digest"]]), "rootfs": {"type": "layers", "diff_ids": [digest(b"x")] * 100}}).encode()
        base["config"].update(digest=digest(config), size=len(config))
        documents = [json.dumps({**base, "annotations": {"n": str(n)}}).encode() for n in range(350)]
        blobs = {digest(one): one for one in [config, *documents]}
        blobs[base["layers"][0]["digest"]] = self.image.blobs[base["layers"][0]["digest"]]
        index = {"schemaVersion": 2, "manifests": [{"mediaType": OCI + "manifest.v1+json", "digest": digest(one), "size": len(one), "annotations": {IMAGE_NAME: f"a:{n}"}} for n, one in enumerate(documents)]}
        path = self.file([(blob_name(one), data) for one, data in blobs.items()] + layout_entries({}, index=index), "many.tar")
        result, peak = self.lade.measured("images", "import", "--no-unpack", "--quiet", path)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(len(result.out.split()), len(documents))
        if not SANITIZED:
            self.assertLess(peak, 64)
        self.assertEqual({one["digest"] for one in self.lade.json("content", "ls")}, set(blobs))

    def test_referrers_in_any_order(self):
        """A chain of them, listed from its end."""
        chain = [self.image]
        for n in range(100):
            chain.append(artifact(chain[-1].descriptor(), "application/x.signature", b"%d" % n))
        index = json.loads(dict(layout_entries({"a:1": self.image}))["index.json"])
        for subject, referrer in reversed(list(zip(chain, chain[1:]))):
            index["manifests"].insert(0, {**referrer.descriptor(), "platform": None, "annotations": {"io.containerd.manifest.subject": subject.root}})
        index["manifests"].reverse()
        entries = layout_entries({"x" * n: one for n, one in enumerate(chain)}, index=index)
        self.assertEqual([image["name"].split(":")[1] for image in self.take(self.file(entries))], ["1"])
        self.lade.ok("gc")
        kept = {one["digest"] for one in self.lade.json("content", "ls")}
        self.assertEqual({one.root for one in chain} - kept, set())

    def test_a_bomb_that_is_the_archive(self):
        whole = tar(layout_entries({"a:1": self.image}))
        info = tarfile.TarInfo("blobs/sha256/" + "0" * 64)
        info.size = 10 << 30
        said = "the archive is more than 1100 times its compressed size"
        self.exploding(bomb(whole[:-1024] + info.tobuf(), info.size), info.name, said)
        # Nobody would ever see these, behind the archive's end.
        done = self.stream(bomb(whole, 10 << 30))
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("import standard input: " + said, done.stderr.decode())
        self.assertEqual(self.left(), NOTHING)

    def test_a_bomb_that_is_a_layer(self):
        start = Layer().file("f", "x").bytes()
        blob = bomb(start, 10 << 30)
        self.exploding(tar(layout_entries({"a:1": bomb_image(start, blob)})), "layer " + digest(blob), "more than 1100 times its compressed size")
        # What such a layer is can be told only by decoding it.
        self.exploding(tar(old_docker_entries(bomb_image(start, blob, kind="docker"), "a", "1")), "more than 1100 times its compressed size")
        # It is the limit that refuses it, not something else: without, its diff ID is looked at.
        small = bomb(start, 1100 << 20)
        self.refused_with(layout_entries({"a:1": bomb_image(start, small)}), ("--max-ratio", "1000000"), 8, "diff ID")

    def test_compressed_in_another_way(self):
        data = tar(layout_entries({"a:1": self.image}))
        for name, blob in (("xz", lzma.compress(data)), ("bzip2", bz2.compress(data)), ("lz4", b"\x04\x22\x4d\x18" + data)):
            path = self.scratch / "other"
            path.write_bytes(blob)
            self.fails(self.lade.run("images", "import", path), 1, str(path), f"compressed with {name}, which is not known here")
            done = self.stream(blob)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"compressed with {name}", done.stderr.decode())
        self.assertEqual(self.left(), NOTHING)
        # What begins like one is no less a file.
        self.lade.ok("images", "import", self.file([("BZh9", b"1"), *layout_entries({"a:1": self.image})]))

    def test_limits_that_are_none(self):
        path = self.file(layout_entries({"a:1": self.image}))
        for flag, value, said in (("--max-ratio", "0", "1 at least"), ("--max-ratio", "-1", "-1 is negative"), ("--max-size", "-5", "-5 is negative"), ("--max-entries", "-1", "-1 is negative"), ("--max-depth", "-1", "-1 is negative")):
            self.fails(self.lade.run("images", "import", path, flag, value), 2, flag, said)
        # Twice the largest file is more than can be counted.
        self.lade.ok("images", "import", path, "--max-ratio", str(2**64 - 1))

    def refused_with(self, entries, flags, code, *words):
        self.fails(self.lade.run("images", "import", self.file(entries), *flags), code, *words)
        self.assertEqual(self.left(), NOTHING)

    def test_an_index_in_itself(self):
        whole = index_of([self.image])
        index = {"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": whole.root, "size": len(whole.documents[whole.root][1]), "annotations": {IMAGE_NAME: "a:1"}}]}
        entries = layout_entries({"x": whole}, index=index)
        self.take(self.file(entries))
        # A digest of itself nobody can make; a chain that is too long everybody can.
        for _ in range(12):
            whole = index_of([whole])
        index["manifests"][0].update(digest=whole.root, size=len(whole.documents[whole.root][1]))
        self.lade.ok("images", "rm", "a:1")
        self.refused(layout_entries({"x": whole}, index=index), 9, "nested deeper")

    def test_ended_by_a_signal(self):
        data = tar(layout_entries({"a:1": self.image}))
        for wanted in (signal.SIGINT, signal.SIGKILL):
            fifo = self.scratch / f"fifo-{wanted}"
            os.mkfifo(fifo)
            process = self.lade.start("images", "import", fifo)
            with open(fifo, "wb") as pipe:
                pipe.write(data[: len(data) // 2])
                pipe.flush()
                deadline = time.monotonic() + (60 if SANITIZED else 20)
                while not (self.lade.root / "content").exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
                process.send_signal(wanted)
                process.communicate()
            self.assertEqual(process.returncode, -wanted)
            self.assertEqual(self.names(), [])
            self.lade.ok("gc")
            self.assertEqual(self.left(), NOTHING)
        self.take(self.file(layout_entries({"a:1": self.image})))
        self.check_files("a:1")


del ImportCase
