"""images convert: the same image with its layers in another form."""

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time
import unittest

from support import estargz, tree
from support.broken import RegistryCase
from support.images import DOCKER, OCI, Image, Layer, bomb, bomb_image, compress, debian_layout, digest, index_of, umoci_unpack
from support.invariants import violations
from support.program import SANITIZED, Lade, need_root, need_tools
from support.registry import StockRegistry

HISTORY = [{"created_by": "one"}, {"created_by": "nothing", "empty_layer": True}, {"created_by": "two"}]


def change(config, _):
    config.update(history=HISTORY, unknown={"kept": [1]}, config={"Image": "sha256:old", "Cmd": ["x"]}, container_config={"Image": "y"})


def layers():
    lower = Layer().dir("./").dir("d").file("d/x", "x" * 3000).file("empty").symlink("s", "d/x").link("h", "d/x")
    lower.file("big", bytes(range(256)) * 40_000, pax={"SCHILY.xattr.user.a": "value"}).add("dev", tarfile.CHRTYPE, major=1, minor=3).add("p", tarfile.FIFOTYPE)
    upper = Layer().whiteout("d/x").file("n" * 150 + "/" + "m" * 120, "long").file("late", "late", mtime=1_600_000_000.5, uid=3_000_000)
    return [lower, upper]


class Convert(RegistryCase):
    def setUp(self):
        super().setUp()
        self.tars = [layer.bytes() for layer in layers()]

    def pulled(self, image, *flags, lade=None):
        ref = self.registry.add(image)
        (lade or self.lade).ok("images", "pull", "--no-unpack", *flags, ref)
        return ref

    def image(self, **how):
        return Image(self.tars, change=change, **how)

    def convert(self, *args, lade=None):
        out = (lade or self.lade).ok("images", "convert", *args).out
        self.assertRegex(out, r"^sha256:[0-9a-f]{64}\n$")
        return out.strip()

    def blob(self, name, lade=None):
        return ((lade or self.lade).root / "content/blobs/sha256" / name.split(":")[1]).read_bytes()

    def document(self, name, **how):
        return json.loads(self.blob(name, **how))

    def target(self, name):
        (image,) = [one for one in self.lade.json("images", "ls") if one["name"] == f"docker.io/library/{name}:latest"]
        return image["target"]

    def plain(self, descriptor):
        data = self.blob(descriptor["digest"])
        kind = descriptor["mediaType"]
        if kind.endswith("gzip"):
            return gzip.decompress(data)
        if kind.endswith("zstd"):
            return subprocess.run(["zstd", "-dqc"], input=data, stdout=subprocess.PIPE, check=True).stdout
        self.assertTrue(kind.endswith(".tar"), kind)
        return data

    def labels(self, name):
        return [one["labels"] for one in self.lade.json("content", "ls") if one["digest"] == name][0]


class Forms(Convert):
    def test_every_form_of_every_form(self):
        need_tools("zstd")
        results = {}
        for kind in ("oci", "docker"):
            for compression in ("gzip", "zstd", "plain") if kind == "oci" else ("gzip", "plain"):
                image = self.image(kind=kind, compression=compression)
                ref = self.pulled(image)
                for flag, suffix in (("--uncompress", ""), ("--gzip", "gzip"), ("--zstd", "zstd")):
                    with self.subTest(kind=kind, compression=compression, flag=flag):
                        made = self.convert(flag, ref, "new")
                        target = self.target("new")
                        self.assertEqual(target["digest"], made)
                        manifest = self.document(made)
                        is_oci = kind == "oci" or flag == "--zstd"
                        self.assertEqual(manifest["mediaType"], OCI + "manifest.v1+json" if is_oci else DOCKER + "distribution.manifest.v2+json")
                        self.assertEqual(target["mediaType"], manifest["mediaType"])
                        stem, mark = (OCI + "layer.v1.tar", "+") if is_oci else (DOCKER + "image.rootfs.diff.tar", ".")
                        self.assertEqual({one["mediaType"] for one in manifest["layers"]}, {stem + (mark + suffix if suffix else "")})
                        self.assertEqual([self.plain(one) for one in manifest["layers"]], self.tars)
                        # Nothing of it is in the config, whose bytes are the same.
                        self.assertEqual(manifest["config"]["digest"], image.config["digest"])
                        for one, tar in zip(manifest["layers"], self.tars):
                            self.assertEqual(one["size"], len(self.blob(one["digest"])))
                            if compression != (suffix or "plain"):
                                self.assertEqual(self.labels(one["digest"]).get("containerd.io/uncompressed"), digest(tar) if suffix else None)
                        # What is in that form is left as it is.
                        if compression == (suffix or "plain"):
                            self.assertEqual([one["digest"] for one in manifest["layers"]], [one["digest"] for one in image.layers])
                            if is_oci == (kind == "oci"):
                                self.assertEqual(made, image.root)
                        results.setdefault((flag, compression == (suffix or "plain")), set()).add(tuple(one["digest"] for one in manifest["layers"]))
        # Wherever they come from, the bytes are the same.
        for (_, same), found in results.items():
            self.assertEqual(len(found), 1 if not same else len(found))
        self.lade.ok("gc")
        self.assertIn("complete (3/3)", self.lade.ok("images", "check", "name==docker.io/library/new:latest").out)
        self.assertEqual(violations(self.lade.root, collected=True), [])

    def test_levels(self):
        ref = self.pulled(self.image())
        sizes = {}
        for flag, levels in (("--gzip", (1, 9)), ("--zstd", (1, 12))):
            for level in levels:
                made = self.convert(flag, "--level", level, ref, f"l{level}")
                self.assertEqual([self.plain(one) for one in self.document(made)["layers"]], self.tars)
                sizes[flag, level] = sum(one["size"] for one in self.document(made)["layers"])
            self.assertEqual(made, self.convert(flag, "--level", levels[1], ref, "again"))
        self.assertLess(sizes["--gzip", 9], sizes["--gzip", 1])
        self.fails(self.lade.run("images", "convert", "--gzip", "--level", "10", ref, "x"), 2, "level 10")
        self.fails(self.lade.run("images", "convert", "--zstd", "--level", "0", ref, "x"), 2, "level 0")
        self.fails(self.lade.run("images", "convert", "--uncompress", "--level", "1", ref, "x"), 2, "level")
        self.fails(self.lade.run("images", "convert", "--level", "1", ref, "x"), 2, "level")
        self.fails(self.lade.run("images", "convert", "--gzip", "--zstd", ref, "x"), 2, "--gzip", "--zstd")
        self.fails(self.lade.run("images", "convert", "--estargz-chunk-size", "1MiB", "--gzip", ref, "x"), 2, "--estargz")
        self.fails(self.lade.run("images", "convert", "--zstd", "nobody", "x"), 3, "nobody")

    def test_oci_of_docker_and_layers_that_are_not_to_be_distributed(self):
        need_tools("zstd")
        urls = ["http://127.0.0.1:1/x"]

        def lie(config, descriptors):
            change(config, descriptors)
            descriptors[0].update(mediaType=DOCKER + "image.rootfs.foreign.diff.tar.gzip", urls=urls)
            # docker's types never meant much.
            descriptors[1]["mediaType"] = DOCKER + "image.rootfs.diff.tar"

        image = Image(self.tars, kind="docker", change=lie)
        foreign = image.layers[0]
        ref = self.pulled(image)
        manifest = self.document(self.convert("--oci", ref, "new"))
        self.assertEqual(manifest["mediaType"], OCI + "manifest.v1+json")
        self.assertEqual(manifest["config"], {**image.config, "mediaType": OCI + "config.v1+json"})
        self.assertEqual(manifest["layers"][0], {**foreign, "mediaType": OCI + "layer.nondistributable.v1.tar+gzip"})
        self.assertEqual(manifest["layers"][1], {**image.layers[1], "mediaType": OCI + "layer.v1.tar+gzip"})
        # It is converted where it is here, and its URLs have other bytes then.
        first = self.document(self.convert("--zstd", ref, "new"))["layers"][0]
        self.assertEqual((first["mediaType"], first.get("urls")), (OCI + "layer.nondistributable.v1.tar+zstd", None))
        self.assertEqual(self.plain(first), self.tars[0])
        # Where it is not, it stays what it is.
        self.lade.ok("images", "rm", "new")
        self.lade.ok("--no-gc", "content", "rm", foreign["digest"])
        first, second = self.document(self.convert("--zstd", ref, "new"))["layers"]
        self.assertEqual(first, {**foreign, "mediaType": OCI + "layer.nondistributable.v1.tar+gzip"})
        self.assertEqual(self.plain(second), self.tars[1])

    def test_names_labels_and_what_stays(self):
        image = self.image()
        image.manifest["annotations"] = {"a": "b"}
        image.manifest["unknown"] = {"x": 1}
        image.manifest["layers"][0]["annotations"] = {"mine": "kept", "containerd.io/snapshot/stargz/toc.digest": "sha256:" + "0" * 64}
        image.manifest["layers"][0]["data"] = "AAAA"
        image.root = image.document(image.manifest, OCI + "manifest.v1+json")
        ref = self.pulled(image, "--label", "k=v")
        made = self.lade.json("images", "convert", "--zstd", ref, "new")
        self.assertEqual((made["name"], made["converted_layers"], made["replaced"]), ("docker.io/library/new:latest", 2, None))
        manifest = self.document(made["target"]["digest"])
        self.assertEqual((manifest["annotations"], manifest["unknown"]), ({"a": "b"}, {"x": 1}))
        self.assertEqual(manifest["layers"][0]["annotations"], {"mine": "kept"})
        self.assertNotIn("data", manifest["layers"][0])
        images = {one["name"]: one for one in self.lade.json("images", "ls")}
        self.assertEqual(images["docker.io/library/new:latest"]["labels"], images[ref]["labels"])
        self.assertEqual(images[ref]["labels"]["k"], "v")
        # A name that is there is replaced, which is told; the source's own name goes on with the new image.
        self.convert(ref, "other")
        said = self.lade.ok("images", "convert", "--zstd", ref, "other").err
        self.assertIn(image.root, said)
        self.assertEqual(self.convert("--zstd", ref, ref), made["target"]["digest"])
        images = {one["name"]: one for one in self.lade.json("images", "ls")}
        self.assertEqual(images[ref]["target"]["digest"], made["target"]["digest"])
        self.assertEqual(images[ref]["labels"]["k"], "v")

    def test_a_type_that_lies(self):
        need_tools("zstd")
        for real in ("gzip", "zstd", "plain"):
            for said in (OCI + "layer.v1.tar+gzip", OCI + "layer.v1.tar+zstd", DOCKER + "image.rootfs.diff.tar", DOCKER + "image.rootfs.diff.tar.gzip"):
                image = Image([compress(self.tars[0], real)], compression="plain", change=lambda config, d: (config["rootfs"].update(diff_ids=[digest(self.tars[0])]), d[0].update(mediaType=said)))
                ref = self.pulled(image)
                (layer,) = self.document(self.convert("--uncompress", ref, "new"))["layers"]
                self.assertEqual(layer["digest"], digest(self.tars[0]))
                (layer,) = self.document(self.convert("--gzip", ref, "new"))["layers"]
                self.assertEqual(self.plain(layer), self.tars[0])
                self.assertIn("gzip", layer["mediaType"])
                self.assertEqual(layer["digest"] == image.layers[0]["digest"], real == "gzip")


class Platforms(Convert):
    def setUp(self):
        super().setUp()
        shared = self.tars[0]
        self.images = [Image([shared, Layer().file("who", name).bytes()], architecture=name) for name in ("amd64", "arm64", "s390x")]
        self.whole = index_of(self.images)

    def attested(self):
        """The index with an attestation of the first image."""
        about = Image([])
        about.blobs, about.documents = {}, {}
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": about.blob(b'{"rootfs":{"type":"layers","diff_ids":[]}}', OCI + "config.v1+json"), "layers": [about.blob(b"{}", "application/vnd.in-toto+json")]}
        about.root = about.document(manifest, manifest["mediaType"])
        about.platform = {"os": "unknown", "architecture": "unknown"}
        index = json.loads(self.whole.documents[self.whole.root][1])
        index["manifests"].append({**about.descriptor(), "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": self.images[0].root}})
        self.whole.blobs.update(about.blobs)
        self.whole.documents.update(about.documents)
        self.whole.root = self.whole.document(index, OCI + "index.v1+json")
        return about

    def test_an_index_keeps_what_is_wanted(self):
        ref = self.pulled(self.whole, "--all-platforms")
        index = self.document(self.convert("--platform", "linux/arm64", ref, "one"))
        self.assertEqual([one["digest"] for one in index["manifests"]], [self.images[1].root])
        self.assertEqual(index["manifests"][0]["platform"], {"os": "linux", "architecture": "arm64"})
        index = self.document(self.convert("--platform", "linux/s390x", "--platform", "linux/amd64", "--zstd", ref, "two"))
        self.assertEqual([one["platform"]["architecture"] for one in index["manifests"]], ["amd64", "s390x"])
        for one, image in zip(index["manifests"], (self.images[0], self.images[2])):
            manifest = self.document(one["digest"])
            self.assertEqual((one["size"], manifest["config"]["digest"]), (len(self.blob(one["digest"])), image.config["digest"]))
            self.assertEqual({layer["mediaType"] for layer in manifest["layers"]}, {OCI + "layer.v1.tar+zstd"})
        # A layer that several have is converted once.
        self.assertEqual(self.lade.json("images", "convert", "--uncompress", "--all-platforms", ref, "all")["converted_layers"], 4)
        self.assertEqual(len(self.document(self.target("all")["digest"])["manifests"]), 3)
        # Nothing to change: the same image.
        self.assertEqual(self.convert("--all-platforms", "--gzip", ref, "same"), self.whole.root)
        self.fails(self.lade.run("images", "convert", "--platform", "linux/riscv64", ref, "x"), 3, "linux/riscv64")
        self.fails(self.lade.run("images", "convert", "--platform", "linux/arm64", "--all-platforms", ref, "x"), 2)
        self.lade.ok("gc")
        self.assertEqual(violations(self.lade.root, collected=True), [])
        for name in ("one", "two", "all"):
            self.lade.ok("images", "unpack", "--to", self.scratch / name, "--platform", "linux/arm64" if name == "one" else "linux/amd64", name)

    def test_this_machine_s_platform_unless_told(self):
        machine = {"x86_64": "amd64", "aarch64": "arm64", "s390x": "s390x"}[os.uname().machine]
        ref = self.pulled(self.whole)
        index = self.document(self.convert("--zstd", ref, "mine"))
        self.assertEqual([one["platform"]["architecture"] for one in index["manifests"]], [machine])
        result = self.lade.run("images", "convert", "--zstd", "--all-platforms", ref, "x")
        self.fails(result, 5, "missing", "images pull --all-platforms")
        other = "s390x" if machine != "s390x" else "arm64"
        result = self.lade.run("images", "convert", "--zstd", "--platform", f"linux/{other}", ref, "x")
        self.fails(result, 5, "not in the store")
        # A layer alone that is gone is named.
        (name,) = [one["digest"] for one in self.images[("amd64", "arm64", "s390x").index(machine)].layers[:1]]
        self.lade.ok("--no-gc", "content", "rm", name)
        self.fails(self.lade.run("images", "convert", "--zstd", ref, "x"), 5, f"linux/{machine}", name)
        self.assertNotIn("docker.io/library/x:latest", self.lade.ok("images", "ls", "-q").out)

    def test_attestations_of_what_changed_are_left_out(self):
        about = self.attested()
        ref = self.pulled(self.whole, "--all-platforms")
        result = self.lade.ok("images", "convert", "--all-platforms", "--zstd", ref, "new")
        self.assertIn(about.root, result.err)
        self.assertEqual(len(self.document(result.out.strip())["manifests"]), 3)
        result = self.lade.ok("images", "convert", "--platform", "linux/amd64", ref, "new")
        self.assertEqual([one["digest"] for one in self.document(result.out.strip())["manifests"]], [self.images[0].root, about.root])
        result = self.lade.ok("images", "convert", "--platform", "linux/arm64", ref, "new")
        self.assertEqual([one["digest"] for one in self.document(result.out.strip())["manifests"]], [self.images[1].root])

    def test_docker_s_list(self):
        images = [Image(self.tars, kind="docker", architecture=name) for name in ("amd64", "arm64")]
        ref = self.pulled(index_of(images, kind="docker"), "--all-platforms")
        index = self.document(self.convert("--all-platforms", "--oci", ref, "new"))
        self.assertEqual(index["mediaType"], OCI + "index.v1+json")
        self.assertEqual(self.target("new")["mediaType"], OCI + "index.v1+json")
        for one in index["manifests"]:
            self.assertEqual((one["mediaType"], self.document(one["digest"])["mediaType"]), (OCI + "manifest.v1+json",) * 2)
        index = self.document(self.convert("--all-platforms", "--uncompress", ref, "new"))
        self.assertEqual(index["mediaType"], DOCKER + "distribution.manifest.list.v2+json")

    def test_what_is_no_image(self):
        from support.images import artifact

        ref = self.registry.add(artifact(None, "text/x"))
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.fails(self.lade.run("images", "convert", "--zstd", ref, "x"), 2, "artifact")


class Estargz(Convert):
    def parts(self, made):
        manifest = self.document(made)
        config = self.document(manifest["config"]["digest"])
        return manifest, config, [self.blob(one["digest"]) for one in manifest["layers"]]

    @staticmethod
    def entries(tar):
        """What matters of a tar, without what only an eStargz has."""
        archive = tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape")
        return [
            (one.name, one.type, one.mode, one.uid, one.gid, one.mtime, one.linkname, one.devmajor, one.devminor, one.pax_headers.get("SCHILY.xattr.user.a"), archive.extractfile(one).read() if one.isreg() else b"")
            for one in archive.getmembers()
            if one.name not in estargz.OWN
        ]

    def test_the_specification_s_rules(self):
        for kind in ("oci", "docker"):
            image = self.image(kind=kind)
            ref = self.pulled(image)
            made = self.convert("--estargz", ref, "new")
            manifest, config, blobs = self.parts(made)
            self.assertEqual(manifest["mediaType"], OCI + "manifest.v1+json")
            for one, blob, tar, diff_id in zip(manifest["layers"], blobs, self.tars, config["rootfs"]["diff_ids"]):
                self.assertEqual(one["mediaType"], OCI + "layer.v1.tar+gzip")
                _, plain, first = estargz.check(blob, one["annotations"])
                self.assertEqual(first, [])
                self.assertEqual(digest(plain), diff_id)
                self.assertEqual(self.labels(one["digest"])["containerd.io/uncompressed"], diff_id)
                self.assertEqual(self.entries(plain), self.entries(tar))
            # The rest of the config stays; docker's name of the image it was made of goes.
            old = json.loads(image.blobs[image.config["digest"]])
            self.assertEqual(config["history"], HISTORY)
            self.assertEqual(config["config"], {"Image": "", "Cmd": ["x"]})
            self.assertEqual(config["container_config"], {"Image": ""})
            self.assertEqual({k: v for k, v in config.items() if k not in ("rootfs", "config", "container_config")}, {k: v for k, v in old.items() if k not in ("rootfs", "config", "container_config")})
            # One that is so already is left alone, also where gzip is asked for; anew it is the same.
            self.assertEqual(self.convert("--estargz", "new", "again"), made)
            self.assertEqual(self.convert("--gzip", "new", "again"), made)
            self.assertEqual(self.convert("--estargz", "--level", 6, "new", "again"), made)
            # As anything else it has the same tar, and is none any more.
            plain = self.document(self.convert("--uncompress", "new", "plain"))
            self.assertEqual([one["digest"] for one in plain["layers"]], config["rootfs"]["diff_ids"])
            self.assertFalse([one for one in plain["layers"] if "annotations" in one])

    def test_chunks_and_levels(self):
        ref = self.pulled(self.image())
        sizes = set()
        for flags in ((), ("--estargz-chunk-size", "1000kB"), ("--estargz-chunk-size", "100KiB", "--level", "1"), ("--estargz-chunk-size", "1GiB")):
            manifest, _, blobs = self.parts(self.convert("--estargz", *flags, ref, "new"))
            entries, _, _ = estargz.check(blobs[0], manifest["layers"][0]["annotations"])
            sizes.add(sum(one["type"] == "chunk" for one in entries))
        self.assertEqual(sizes, {2, 10, 99, 0} - {99} | {(10_240_000 + 102_399) // 102_400 - 1})
        self.fails(self.lade.run("images", "convert", "--estargz", "--estargz-chunk-size", "0", ref, "x"), 2, "chunk-size")

    def record(self, *paths):
        path = self.scratch / "record"
        path.write_text("".join(json.dumps({"path": one, "layerIndex": 1}) + "\n" for one in paths))
        return path

    def test_prioritized_files_come_first(self):
        tar = Layer().dir("./").dir("usr").dir("usr/bin").file("usr/bin/a", "a" * 2000).file("usr/bin/b", "b").symlink("bin", "usr/bin")
        tar.file("twice", "1").file("real", "r" * 9000).link("linked", "real").link("further", "linked").dir("etc").file("etc/z", "z").file("twice", "2").link("below", "elsewhere/x")
        image = Image([tar, Layer().file("etc/other", "o")])
        ref = self.pulled(image)
        record = self.record("/etc/z", "further", "./usr/bin/b", "/twice", "/none", "/etc/z", "/bin/a", "/below")
        manifest, config, blobs = self.parts(self.convert("--estargz", "--estargz-record-in", record, ref, "new"))
        _, plain, first = estargz.check(blobs[0], manifest["layers"][0]["annotations"])
        self.assertEqual(first, [".", "etc", "etc/z", "real", "linked", "further", "usr", "usr/bin", "usr/bin/b", "below"])
        self.assertEqual(sorted(self.entries(plain)), sorted(self.entries(tar.bytes())))
        rest = [one for one in self.entries(tar.bytes()) if one[0] not in first]
        self.assertEqual(self.entries(plain)[len(first) :], rest)
        # None of them is in the other layer.
        self.assertEqual(estargz.check(blobs[1], manifest["layers"][1]["annotations"])[2], [])
        self.assertEqual([digest(gzip.decompress(blob)) for blob in blobs], config["rootfs"]["diff_ids"])
        record.write_text('{"path": 1}\n')
        self.fails(self.lade.run("images", "convert", "--estargz", "--estargz-record-in", record, ref, "x"), 2, "record", "path")
        self.fails(self.lade.run("images", "convert", "--estargz", "--estargz-record-in", self.scratch / "nobody", ref, "x"), 3, "nobody")

    def test_many_small_files_and_a_large_one(self):
        layer = Layer()
        for i in range(1500):
            layer.file(f"f{i}", str(i) * (i % 50))
        layer.file("large", os.urandom(3_000_000) * 3).file("last", "end")
        ref = self.pulled(Image([layer]))
        manifest, _, blobs = self.parts(self.convert("--estargz", ref, "new"))
        _, plain, _ = estargz.check(blobs[0], manifest["layers"][0]["annotations"])
        self.assertEqual(self.entries(plain), self.entries(layer.bytes()))

    def test_a_sparse_file_is_filled(self):
        need_tools("tar")
        source = self.scratch / "sparse"
        with open(source, "wb") as file:
            file.truncate(3_000_000)
            file.seek(1_000_000)
            file.write(b"data")
        tar = subprocess.run(["tar", "-cSf", "-", "-C", self.scratch, "sparse"], stdout=subprocess.PIPE, check=True).stdout
        self.assertLess(len(tar), 100_000)
        ref = self.pulled(Image([tar]))
        manifest, _, blobs = self.parts(self.convert("--estargz", ref, "new"))
        _, plain, _ = estargz.check(blobs[0], manifest["layers"][0]["annotations"])
        archive = tarfile.open(fileobj=io.BytesIO(plain))
        self.assertEqual(archive.extractfile("sparse").read(), source.read_bytes())


class Whole(Convert):
    """A real image, and other programs."""

    def setUp(self):
        super().setUp()
        need_root()
        need_tools("skopeo", "umoci", "zstd")
        self.stock = StockRegistry().start()
        self.addCleanup(self.stock.stop)
        self.layout = debian_layout()
        self.ref = self.stock.push(self.layout, "strict", "debian:1")
        self.lade.ok("images", "pull", "--no-unpack", self.ref)

    def others_tree(self, name):
        """What umoci makes of what skopeo fetches of what was pushed."""
        ref = f"{self.stock.host}/{name}:1"
        self.lade.ok("images", "push", ref, name)
        layout = self.scratch / f"layout-{name}"
        subprocess.run(["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{ref}", f"oci:{layout}:t"], check=True, stdin=subprocess.DEVNULL)
        return layout

    def test_other_programs_read_it(self):
        want = tree.describe(umoci_unpack(self.layout, "strict", self.scratch / "want"))
        for name, flags in {"lazy": ("--estargz", "--level", "1"), "zst": ("--zstd",)}.items():
            with self.subTest(name):
                made = self.convert(*flags, self.ref, name)
                layout = self.others_tree(name)
                # umoci of Debian 12 knows no zstd: what skopeo decompresses is what counts there.
                if name == "zst":
                    again = self.scratch / "again"
                    subprocess.run(["skopeo", "copy", "--quiet", "--dest-decompress", f"oci:{layout}:t", f"dir:{again}"], check=True, stdin=subprocess.DEVNULL)
                    manifest = json.loads((again / "manifest.json").read_text())
                    diff_ids = self.document(self.document(made)["config"]["digest"])["rootfs"]["diff_ids"]
                    self.assertEqual([one["digest"] for one in manifest["layers"]], diff_ids)
                    continue
                seen = tree.describe(umoci_unpack(layout, "t", self.scratch / f"seen-{name}"))
                for own in estargz.OWN:
                    self.assertEqual(seen.pop(own.encode(), None) is not None, own != ".prefetch.landmark")
                self.assertEqual(tree.differences(seen, want, ignore=("mtime",)), [])
                # Here, too.
                self.lade.ok("images", "unpack", "--to", self.scratch / f"here-{name}", name)
                here = tree.describe(self.scratch / f"here-{name}")
                for own in estargz.OWN:
                    here.pop(own.encode(), None)
                self.assertEqual(tree.differences(here, want), [])
        for one in self.document(self.target("lazy")["digest"])["layers"]:
            estargz.check(self.blob(one["digest"]), one["annotations"])

    def test_what_skopeo_converts_is_the_same_inside(self):
        target = self.scratch / "theirs"
        subprocess.run(["skopeo", "copy", "--quiet", "--dest-compress-format", "zstd", f"oci:{self.layout}:strict", f"dir:{target}"], check=True, stdin=subprocess.DEVNULL)
        theirs = json.loads((target / "manifest.json").read_text())
        ours = self.document(self.convert("--zstd", self.ref, "zst"))
        self.assertEqual(ours["config"]["digest"], theirs["config"]["digest"])
        self.assertEqual([digest(self.plain(one)) for one in ours["layers"]], self.document(ours["config"]["digest"])["rootfs"]["diff_ids"])

    def test_a_killed_conversion_leaves_nothing_that_stays(self):
        before = sorted(one["digest"] for one in self.lade.json("content", "ls"))
        for delay in (0.05, 0.3, 1.0):
            process = self.lade.start("images", "convert", "--estargz", "--level", "9", self.ref, "new")
            try:
                process.wait(timeout=delay)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
            if "docker.io/library/new:latest" in self.lade.ok("images", "ls", "-q").out:
                self.lade.ok("images", "rm", "new")
            self.lade.ok("gc")
            self.assertEqual(sorted(one["digest"] for one in self.lade.json("content", "ls")), before)
            self.assertEqual(self.lade.ingests(), [])
            self.assertEqual(os.listdir(self.lade.root / "trash"), [])
            self.assertEqual(violations(self.lade.root, collected=True), [])

    def test_an_interrupt_leaves_nothing(self):
        before = sorted(one["digest"] for one in self.lade.json("content", "ls"))
        process = self.lade.start("images", "convert", "--gzip", "--level", "9", self.ref, "new")
        while process.poll() is None and not self.lade.ingests():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGINT, err)
        self.assertEqual(self.lade.ingests(), [])
        self.lade.ok("gc")
        self.assertEqual(sorted(one["digest"] for one in self.lade.json("content", "ls")), before)


class Damage(Convert):
    def test_a_layer_that_is_not_what_the_config_says(self):
        image = self.image()
        ref = self.pulled(image)
        name = image.layers[0]["digest"]
        path = self.lade.root / "content/blobs/sha256" / name.split(":")[1]
        good = path.read_bytes()
        wrong = gzip.compress(self.tars[0].replace(b"xxx", b"yyy"), 6, mtime=0)
        for bad in (wrong + bytes(0), good[: len(good) // 2], good[:-1] + bytes([good[-1] ^ 1])):
            bad = bad[: len(good)] if bad is not wrong else bad
            os.chmod(path, 0o644)
            path.write_bytes(bad)
            for flag in ("--zstd", "--uncompress", "--estargz"):
                self.fails(self.lade.run("images", "convert", flag, ref, "new"), 8, name)
                self.assertEqual(self.lade.ingests(), [])
        path.write_bytes(good)
        self.assertNotIn("docker.io/library/new:latest", self.lade.ok("images", "ls", "-q").out)
        self.convert("--zstd", ref, "new")
        self.lade.ok("gc")
        self.assertEqual(violations(self.lade.root, collected=True), [])

    def test_a_config_that_lies(self):
        image = Image(self.tars, change=lambda config, _: config["rootfs"]["diff_ids"].reverse())
        ref = self.pulled(image)
        for flag in ("--zstd", "--uncompress", "--estargz"):
            self.fails(self.lade.run("images", "convert", flag, ref, "new"), 8, "wrong diff ID", digest(self.tars[0]))
        image = Image(self.tars, change=lambda config, _: config["rootfs"]["diff_ids"].pop())
        ref = self.pulled(image)
        self.fails(self.lade.run("images", "convert", "--zstd", ref, "new"), 2, "diff IDs")

    def test_an_archive_bomb(self):
        start = Layer().file("f", "x").bytes()
        size = 1088 << 20
        hashed = hashlib.sha256(start)
        for _ in range(size >> 20):
            hashed.update(bytes(1 << 20))
        blob = bomb(start, size)
        # Nothing but its size is wrong with it.
        ref = self.pulled(bomb_image(start, blob, "sha256:" + hashed.hexdigest()))
        before = [one["digest"] for one in self.lade.json("content", "ls")]
        result, peak = self.lade.measured("images", "convert", "--uncompress", ref, "new")
        self.fails(result, 9, "layer " + digest(blob), "more than 1100 times its compressed size")
        if not SANITIZED:
            self.assertLess(peak, 64)
        self.assertEqual([one["name"] for one in self.lade.json("images", "ls")], [ref])
        self.lade.ok("gc")
        self.assertEqual(([one["digest"] for one in self.lade.json("content", "ls")], self.lade.ingests()), (before, []))
        self.convert("--gzip", "--level", "1", "--max-ratio", "1000000", ref, "new")
        result = self.lade.run("images", "convert", "--zstd", "--max-ratio", "x", ref, "new")
        self.assertEqual(result.code, 2)

    def test_cores_make_no_difference(self):
        need_tools("taskset")
        layer = Layer().file("a", os.urandom(100_000) * 30).file("b", "b" * 1000)
        ref = self.pulled(Image([layer, *self.tars]))
        for flags in (("--zstd",), ("--gzip", "--level", "3"), ("--estargz",)):
            one = self.lade.ok("images", "convert", *flags, ref, "one", prefix=("taskset", "-c", "0")).out
            self.assertEqual(one, self.lade.ok("images", "convert", *flags, ref, "two").out)
