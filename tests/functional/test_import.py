"""images import: archives of every kind, and what they are named."""

import gzip
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

from support import tree
from support.archives import blob_name, docker_entries, layout_entries, link, old_docker_entries, tar
from support.images import DOCKER, OCI, Image, Layer, artifact, compress, digest, index_of
from support.invariants import violations
from support.program import Case, need_root, need_tools

IMAGE_NAME = "io.containerd.image.name"


class ImportCase(Case):
    def setUp(self):
        super().setUp()
        need_root()
        self.plain = Image([Layer().dir("d").file("d/a", "one"), Layer().file("d/b", "two" * 1000)], kind="docker", compression="plain")
        self.image = Image([Layer().dir("d").file("d/a", "one"), Layer().file("d/b", "two" * 1000)])

    def file(self, entries, name="in.tar", how=None):
        path = self.scratch / name
        path.write_bytes(compress(tar(entries), how))
        return path

    def take(self, path, *flags):
        return self.lade.json("images", "import", path, *flags)

    def stream(self, data, *flags):
        """Of a pipe."""
        return subprocess.run(self.lade.command("images", "import", "-", *flags), input=data, env=self.lade.env, capture_output=True)

    def config_of(self, name):
        (found,) = [one for one in self.lade.json("images", "ls") if one["name"] == name]
        return found["id"]

    def diff_ids(self, name):
        return json.loads(self.lade.ok("content", "get", self.config_of(name)).out)["rootfs"]["diff_ids"]

    def names(self):
        return [one["name"] for one in self.lade.json("images", "ls")]

    def check_files(self, name):
        out = self.scratch / "unpacked"
        self.lade.ok("images", "unpack", name, "--to", out)
        self.assertEqual((out / "d/a").read_text() + (out / "d/b").read_text()[:3], "onetwo")
        subprocess.run(["rm", "-rf", out], check=True)

    def check_store(self):
        self.assertEqual(self.lade.ingests(), [])
        self.assertEqual(violations(self.lade.root, collected=False), [])


class Import(ImportCase):
    def check_layout(self, images):
        (image,) = images
        self.assertEqual(image["name"], "docker.io/library/app:1")
        self.assertEqual(image["target"]["digest"], self.image.root)
        self.assertEqual(self.config_of(image["name"]), self.image.config["digest"])
        self.assertEqual(len(image["chain_ids"]), 1)
        self.lade.ok("snapshots", "info", image["chain_ids"][0])
        self.check_files("app:1")
        self.check_store()
        self.lade.ok("images", "rm", image["name"])
        self.assertEqual(self.lade.json("content", "ls"), [])

    def test_layouts(self):
        entries = layout_entries({(IMAGE_NAME, "docker.io/library/app:1"): self.image})
        self.check_layout(self.take(self.file(entries)))
        self.check_layout(self.take(self.file(entries, "gz", "gzip")))
        self.check_layout(self.take(self.file(entries, "zst", "zstd")))
        # Whatever the order is, and however names are written.
        self.check_layout(self.take(self.file([("./" + name, data) for name, data in reversed(entries)], "other")))
        folder = self.scratch / "folder"
        with tarfile.open(self.scratch / "in.tar") as archive:
            archive.extractall(folder)
        self.check_layout(self.take(folder))
        for how in (None, "gzip", "zstd"):
            done = self.stream(compress(tar(entries), how), "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_layout(json.loads(done.stdout))
        fifo = self.scratch / "fifo"
        os.mkfifo(fifo)
        with self.lade.start("images", "import", fifo, "--json") as process:
            fifo.write_bytes(tar(entries))
            out, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        self.check_layout(json.loads(out))

    def check_docker(self, images, name="docker.io/library/app:1"):
        self.assertEqual([image["name"] for image in images], [name])
        self.assertEqual(images[0]["target"]["mediaType"], DOCKER + "distribution.manifest.v2+json")
        self.assertEqual(self.diff_ids(name), [layer["digest"] for layer in self.plain.layers])
        manifest = json.loads(self.lade.ok("content", "get", images[0]["target"]["digest"]).out)
        self.check_files(name)
        self.check_store()
        return manifest

    def each_way(self, entries):
        for way in (lambda: self.take(self.file(entries)), lambda: json.loads(self.stream(tar(entries), "--json").stdout)):
            yield way()
            for name in self.names():
                self.lade.ok("images", "rm", name)

    def test_docker_archives(self):
        for images in self.each_way(docker_entries([(self.plain, ["app:1"])])):
            manifest = self.check_docker(images)
            self.assertEqual(manifest["config"]["digest"], self.plain.config["digest"])
            self.assertEqual({layer["mediaType"] for layer in manifest["layers"]}, {DOCKER + "image.rootfs.diff.tar"})

    def test_layers_that_are_links(self):
        """docker wrote a layer that two images share once, and links to it."""
        entries = dict(docker_entries([(self.plain, ["app:1"])]))
        first, second = (layer["digest"].split(":")[1] for layer in self.plain.layers)
        data = entries.pop(first + ".tar"), entries.pop(second + ".tar")
        manifest = json.loads(entries["manifest.json"])
        manifest[0]["Layers"] = ["x/layer.tar", "y/layer.tar"]
        entries.update({"manifest.json": json.dumps(manifest).encode(), "x/layer.tar": link("../z/layer.tar"), "z/layer.tar": data[0], "w/layer.tar": data[1], "y/layer.tar": link("w/layer.tar", tarfile.LNKTYPE)})
        for images in self.each_way(list(entries.items())):
            self.check_docker(images)

    def test_compressed_layers_of_docker_archives(self):
        for how, suffix in (("gzip", "gzip"), ("zstd", "zstd")):
            entries = [(name, compress(data, how) if name.endswith(".tar") else data) for name, data in docker_entries([(self.plain, ["app:1"])])]
            for images in self.each_way(entries):
                manifest = self.check_docker(images)
                self.assertEqual({layer["mediaType"] for layer in manifest["layers"]}, {DOCKER + "image.rootfs.diff.tar." + suffix})

    def test_compress_blobs(self):
        for images in self.each_way(docker_entries([(self.plain, ["app:1"])])):
            pass
        path = self.file(docker_entries([(self.plain, ["app:1"])]))
        manifest = self.check_docker(self.take(path, "--compress-blobs"))
        self.assertEqual({layer["mediaType"] for layer in manifest["layers"]}, {DOCKER + "image.rootfs.diff.tar.gzip"})
        for layer, plain in zip(manifest["layers"], self.plain.layers):
            data = (self.lade.root / "content" / blob_name(layer["digest"])).read_bytes()
            self.assertEqual((digest(data), len(data)), (layer["digest"], layer["size"]))
            self.assertEqual(digest(gzip.decompress(data)), plain["digest"])
        # What is there in one form serves, whatever is asked for.
        self.assertEqual(self.check_docker(self.take(path)), manifest)
        done = self.stream(path.read_bytes(), "--compress-blobs", "--json")
        self.assertEqual(self.check_docker(json.loads(done.stdout)), manifest)

    def test_old_docker_archives(self):
        for images in self.each_way(old_docker_entries(self.plain, "app", "1")):
            self.check_docker(images)
            config = json.loads(self.lade.ok("content", "get", self.config_of("docker.io/library/app:1")).out)
            self.assertEqual(config["config"], {"Env": ["OLD=1"], "Cmd": ["sh"]})
            self.assertEqual([one["created_by"] for one in config["history"]], ["make 0", "make 1"])

    def test_several_images_and_names(self):
        other = Image([Layer().file("other", "other")], kind="docker", compression="plain")
        path = self.file(docker_entries([(self.plain, ["app:1", "app:2"]), (other, ["host:5000/other"]), (Image([], kind="docker", compression="plain"), None)]))
        images = self.take(path)
        self.assertEqual([image["name"] for image in images], ["docker.io/library/app:1", "docker.io/library/app:2", "host:5000/other:latest"])
        self.assertEqual(images[0]["target"], images[1]["target"])
        self.assertEqual(images[0]["chain_ids"], images[1]["chain_ids"])
        self.assertEqual(self.lade.ok("images", "import", "-q", path).out.splitlines(), [image["name"] for image in images])

    def test_names(self):
        today = time.strftime("import-%Y-%m-%d", time.localtime(1_600_000_000))
        self.lade.env["SOURCE_DATE_EPOCH"] = "1600000000"
        path = self.file(layout_entries({"latest": self.image, (IMAGE_NAME, "host/whole:1"): Image([Layer().file("w", "w")]), "host:5000/full:2": Image([Layer().file("x", "x")]), "": Image([Layer().file("y", "y")])}))
        index = json.loads(dict(layout_entries({"latest": self.image, (IMAGE_NAME, "host/whole:1"): Image([Layer().file("w", "w")])}))["index.json"])
        hub = "docker.io/library/"

        def names(*flags):
            for name in self.names():
                self.lade.ok("images", "rm", name)
            return [image["name"] for image in self.take(path, "--no-unpack", *flags)]

        host = "docker.io/host/whole:1"
        self.assertEqual(names(), [hub + today + ":latest", host, "host:5000/full:2"])
        self.assertEqual(names("--base-name", "my/app"), ["docker.io/my/app:latest", host])
        self.assertEqual(names("--base-name", "host:5000/full"), ["host:5000/full:latest", host, "host:5000/full:2"])
        self.assertEqual(names("--base-name", "full"), [hub + "full:latest", host])
        in_full = self.file(layout_entries({hub + "app:1": self.image, hub + "apple:1": Image([Layer().file("z", "z")])}), name="in-full.tar")
        for base in ("app", "library/app", "docker.io/library/app"):
            self.assertEqual([image["name"] for image in self.take(in_full, "--no-unpack", "--base-name", base)], [hub + "app:1"])
        with_digests = names("--base-name", "a", "--digests")
        self.assertEqual(with_digests[:3], [hub + "a:latest", f"{hub}a@{self.image.root}", host])
        self.assertEqual(len(with_digests), 6)
        self.assertEqual(names("--base-name", "a", "--digests", "--skip-digest-for-named")[:2], [hub + "a:latest", host])
        whole = names("--base-name", "a", "--index-name", "all")
        self.assertEqual(whole, [hub + "a:latest", host, hub + "all:latest"])
        (target,) = [one["target"] for one in self.lade.json("images", "ls") if one["name"] == hub + "all:latest"]
        self.assertEqual(target["mediaType"], OCI + "index.v1+json")
        self.lade.ok("images", "check", "all")
        # The index keeps all of it.
        for name in (hub + "a:latest", host):
            self.lade.ok("images", "rm", name)
        self.lade.ok("content", "get", self.image.root)

    def test_nothing_to_name(self):
        path = self.file(layout_entries({"": self.image}))
        self.fails(self.lade.run("images", "import", path), 3, "no image in it has a name", "--digests")
        self.assertEqual(len(self.take(path, "--base-name", "a", "--digests")), 1)
        self.fails(self.lade.run("images", "import", self.file(layout_entries({}))), 3, "there is no image")
        self.fails(self.lade.run("images", "import", self.file(layout_entries({"x/y:1": self.image})), "--base-name", "a"), 3, "no image in it has a name that counts")

    def test_a_name_that_is_taken(self):
        path = self.file(layout_entries({"a:1": self.image}))
        self.take(path, "--label", "mine=1")
        self.lade.ok("images", "label", "a:1", "kept=1")
        other = Image([Layer().file("new", "new")])
        done = self.lade.ok("images", "import", self.file(layout_entries({"a:1": other}), "other"), "--label", "more=2")
        self.assertIn(f"docker.io/library/a:1 was {self.image.root} before", done.err)
        self.assertIn(f"imported docker.io/library/a:1 {other.root}", done.err)
        (image,) = self.lade.json("images", "ls")
        self.assertEqual(image["labels"], {"kept": "1", "mine": "1", "more": "2"})
        self.assertEqual(self.take(path)[0]["replaced"], other.root)
        self.assertEqual(self.take(path)[0]["replaced"], None)
        two = self.file(layout_entries({"a:1": self.image, (IMAGE_NAME, "a:1"): other}), "two")
        self.fails(self.lade.run("images", "import", two), 2, "two images have the name", "a:1")

    def test_platforms(self):
        arm = Image([Layer().file("arm", "arm")], architecture="arm64")
        path = self.file(layout_entries({"multi:1": index_of([self.image, arm]), "arm:1": arm}))
        host = self.lade.run("images", "import", path)
        self.assertEqual(host.code, 0, host.err)
        self.assertIn("is for linux/arm64, not linux/amd64", host.err)
        self.assertEqual(self.names(), ["docker.io/library/arm:1", "docker.io/library/multi:1"])
        for name in self.names():
            self.lade.ok("images", "rm", name)
        images = self.take(path, "--platform", "linux/arm64")
        self.assertEqual([image["name"] for image in images], ["docker.io/library/multi:1", "docker.io/library/arm:1"])
        self.assertNotIn(self.image.root, [blob["digest"] for blob in self.lade.json("content", "ls")])
        for name in self.names():
            self.lade.ok("images", "rm", name)
        left = self.lade.ok("images", "import", path, "--platform", "linux/amd64")
        self.assertIn("arm:1 is for linux/arm64, and left out", left.err)
        self.assertEqual(self.names(), ["docker.io/library/multi:1"])
        (image,) = [one for one in self.take(path, "--all-platforms") if "multi" in one["name"]]
        self.assertEqual(len(image["chain_ids"]), 1)
        self.lade.ok("content", "get", arm.root)
        self.fails(self.lade.run("images", "import", self.file(layout_entries({"arm:1": arm}), "arm"), "--platform", "linux/s390x"), 3, "no image for platform linux/s390x", "linux/arm64")
        docker = Image([Layer().file("f", "f")], kind="docker", compression="plain", architecture="arm64")
        self.fails(self.lade.run("images", "import", self.file(docker_entries([(docker, ["d:1"])]), "docker"), "--platform", "linux/amd64"), 3, "no image for platform linux/amd64", "linux/arm64")

    def test_what_is_here_is_not_read(self):
        path = self.file(layout_entries({"a:1": self.image}))
        self.take(path)
        # The same names, other bytes: nobody looks at them.
        spoilt = [(name, bytes(len(data)) if name.startswith("blobs/") else data) for name, data in layout_entries({"b:1": self.image})]
        self.take(self.file(spoilt, "spoilt"))
        self.assertEqual(self.stream(tar(spoilt)).returncode, 0)
        self.check_files("b:1")

    def test_no_unpack(self):
        (image,) = self.take(self.file(layout_entries({"a:1": self.image})), "--no-unpack")
        self.assertEqual(image["chain_ids"], [])
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        (image,) = self.take(self.scratch / "in.tar", "--snapshotter", "native")
        self.lade.ok("snapshots", "--snapshotter", "native", "info", image["chain_ids"][0])

    def test_discard_unpacked_layers(self):
        path = self.file(layout_entries({"a:1": self.image}))
        (image,) = self.take(path, "--discard-unpacked-layers")
        here = {blob["digest"] for blob in self.lade.json("content", "ls")}
        self.assertEqual(here, {self.image.root, self.image.config["digest"]})
        self.lade.ok("snapshots", "info", image["chain_ids"][0])
        self.lade.ok("gc")
        self.lade.ok("snapshots", "info", image["chain_ids"][0])
        # An import without it brings them back.
        self.take(path)
        self.check_files("a:1")
        self.assertEqual(self.lade.run("images", "import", path, "--discard-unpacked-layers", "--no-unpack").code, 2)

    def test_artifacts(self):
        one = artifact(None, "application/x.thing", b"payload")
        self.take(self.file(layout_entries({"thing:1": one})))
        self.assertEqual(self.lade.ok("content", "get", digest(b"payload")).out, "payload")
        self.lade.ok("gc")
        self.assertEqual(self.lade.ok("content", "get", digest(b"payload")).out, "payload")

    def test_what_refers_to_an_image(self):
        """ctr lists it beside the image, and says what it refers to."""
        one = artifact(self.image.descriptor(), "application/x.signature", b"signed")
        two = artifact(one.descriptor(), "application/x.signature", b"signed again")
        stranger = artifact(None, "application/x.signature", b"of something else")
        index = json.loads(dict(layout_entries({"a:1": self.image}))["index.json"])
        for subject, referrer in ((one.root, two), (self.image.root, one), (digest(b"nothing"), stranger)):
            index["manifests"].append({**referrer.descriptor(), "platform": None, "annotations": {"io.containerd.manifest.subject": subject}})
        entries = layout_entries({"a:1": self.image, "": one, " ": two, "  ": stranger}, index=index)
        self.assertEqual([image["name"] for image in self.take(self.file(entries))], ["docker.io/library/a:1"])
        self.lade.ok("gc")
        self.assertEqual([row["digest"] for row in self.lade.json("images", "referrers", "a:1", "--recursive", "--offline")["referrers"]], [one.root, two.root])
        self.assertEqual(self.lade.ok("content", "get", digest(b"signed again")).out, "signed again")
        self.assertEqual(self.lade.run("content", "get", digest(b"of something else")).code, 3)

    def test_the_whole_store_is_shared_with_pulls(self):
        """Blobs that are held by nothing but the archive's images go with them."""
        self.take(self.file(layout_entries({"a:1": self.image})))
        self.lade.ok("images", "rm", "a:1")
        self.assertEqual(self.lade.json("content", "ls"), [])
        self.assertEqual(self.lade.json("snapshots", "ls"), [])

    def test_what_is_no_archive_on_this_machine(self):
        for url in ("docker://alpine:3", "https://registry.example/app:1"):
            self.fails(self.lade.run("images", "import", url), 2, url, "lade images pull " + url.split("://")[1])
        self.fails(self.lade.run("images", "import", "file:///a.tar"), 2, "file:///a.tar", "the path of a file")
        self.fails(self.lade.run("images", "import", self.scratch / "nowhere"), 3, "nowhere")
        (self.scratch / "empty").mkdir()
        self.fails(self.lade.run("images", "import", self.scratch / "empty"), 2, "not an archive of images")
        self.assertEqual(self.lade.run("images", "import", "a", "--platform", "linux/amd64", "--all-platforms").code, 2)
